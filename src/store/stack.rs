//! What the local stack does to a server: a database, logins, and the mark that says whose fleet it is.

use std::str::FromStr as _;

use sqlx::{ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};

/// Makes the database `longshore`, unless it is there.
pub async fn create_database(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    if !sqlx::query_file_scalar!("src/store/stack/has_database.sql").fetch_one(&mut *conn).await? {
        sqlx::query_file!("src/store/stack/create_database.sql").execute(conn).await?;
    }
    Ok(())
}

/// Whose fleet a database holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fleet {
    /// None.
    None,
    /// That of the local stack of this name.
    Of(String),
    /// One that no local stack made.
    Foreign,
}

/// Whose fleet this database holds.
pub async fn fleet(conn: &mut PgConnection) -> Result<Fleet, sqlx::Error> {
    let found = sqlx::query_file!("src/store/stack/maker.sql").fetch_one(conn).await?;
    let maker = found.maker.and_then(|text| text.strip_prefix(MARK).map(str::to_owned));
    Ok(match (found.fleet, maker) {
        (false, _) => Fleet::None,
        (true, Some(name)) => Fleet::Of(name),
        (true, None) => Fleet::Foreign,
    })
}

const MARK: &str = "made by the local stack ";

/// Writes down that the local stack `name` made this fleet.
pub async fn mark(conn: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin().await?;
    sqlx::query_file!("src/store/stack/name_maker.sql", format!("{MARK}{name}")).fetch_one(&mut *tx).await?;
    sqlx::query_file!("src/store/stack/make_mark.sql").execute(&mut *tx).await?;
    tx.commit().await
}

/// Makes a login that may do what `role` may.
pub async fn make_login(conn: &mut PgConnection, login: &str, password: &str, role: &str) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin().await?;
    sqlx::query_file!("src/store/stack/name_login.sql", login, password, role).fetch_one(&mut *tx).await?;
    sqlx::query_file!("src/store/stack/make_login.sql").execute(&mut *tx).await?;
    tx.commit().await
}

/// The address of the same database for another login.
pub fn as_login(url: &str, login: &str, password: &str) -> Result<String, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.username(login).password(password);
    Ok(options.to_url_lossy().to_string())
}

/// Takes the fleet out of a database. The caller has made sure whose it is.
pub async fn drop_fleet(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/stack/drop_fleet.sql").execute(conn).await?;
    Ok(())
}
