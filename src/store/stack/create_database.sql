-- Makes the local stack's own database, in a cluster that belongs to the stack.
create database longshore
