//! The schema and the connection guard.

use crate::support::TestDb;

#[tokio::test]
async fn a_new_database_has_the_schema() {
    let db = TestDb::new().await;
    let tables: i64 = sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'queue' and tablename = 'jobs'")
        .fetch_one(&db.admin)
        .await
        .expect("a count");
    assert_eq!(tables, 1);
}
