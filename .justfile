# The few words people need. `just` alone lists them; each is one command you may type yourself.

_:
    @just --list --unsorted

# The whole product once, on real input, with its promises checked.
demo *options:
    cargo run -- demo {{options}}

# The local stack until Ctrl-C: database, object store, vendor sandbox, api, scheduler, two workers.
dev:
    cargo run -- dev

# All tests, or those whose name contains a word.
test *name:
    cargo test --workspace -- {{name}}

# Format, then lints as the gate has them.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# Writes .sqlx/ anew after a change of a statement or a migration.
prepare:
    .ci/prepare

# Everything that must hold before a change is taken.
ci:
    .ci/run
