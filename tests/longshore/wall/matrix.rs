//! The matrix: every table and every function, as every role, with every way to have set a team. What comes of each is kept
//! in `tests/fixtures/wall/matrix.txt` for a person to read; and rules hold of every cell, whatever is kept there.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::support::TestDb;

const FIXTURE: &str = "tests/fixtures/wall/matrix.txt";
/// Set it to write the fixture anew; then read the difference as a security review.
const REGENERATE: &str = "LONGSHORE_TEST_WRITE_MATRIX";

const ROLES: [&str; 9] = ["owner", "engine", "migrator", "producer", "api", "worker", "scheduler", "operator", "auditor"];
const OPERATIONS: [&str; 9] = ["select", "insert", "update", "delete", "upsert", "truncate", "foreign", "copy_to", "copy_from"];
/// What was set as the transaction's team, about a row of team one.
const TEAMS: [(&str, Option<&str>, i32); 4] = [
    ("unset", None, 2),
    ("empty", Some(""), 2),
    ("wrong", Some("00000000-0000-0000-0000-0000000000a2"), 2),
    ("right", Some("00000000-0000-0000-0000-0000000000a1"), 1),
];

const LEGEND: &str = "\
# Who can do what to a row of team one. Written by the tests (`LONGSHORE_TEST_WRITE_MATRIX=1 cargo test wall::matrix`), to be
# read by a person: a change here is a change of who may see or do what.
#
# Each cell has four letters: the transaction's team is unset, empty, another one (wrong), team one itself (right).
#   .  nothing seen or changed        v  team one's row, and no other      w  rows of other teams alone
#   a  rows of all teams              s  rows that are no team's           d  permission denied
#   p  against a policy               k  no such parent                    u  there is one already
#   x  not done under row security    f  refused by a trigger              n  a value is missing
#   -  refers to no other table of a team                                  !  tells a row of another team from an absent one
# `foreign`: a row that refers to another team's; the answer is the one for a row that is not there.
# Functions: v it ran, t refused for the team, d permission denied, e another refusal.
";

/// Tables or functions; of each the roles; of each the operations; of each the four letters.
type Matrix = BTreeMap<String, BTreeMap<&'static str, BTreeMap<&'static str, String>>>;

struct Subject {
    name: String,
    oid: sqlx::postgres::types::Oid,
    of_teams: bool,
}

async fn subjects(conn: &mut PgConnection, view: &'static str, flag: &'static str) -> Vec<Subject> {
    let rows: Vec<(String, sqlx::postgres::types::Oid, bool)> =
        sqlx::query_as(AssertSqlSafe(format!("select name, oid, {flag} from matrix.{view} order by name")))
            .fetch_all(conn)
            .await
            .expect("the catalogue");
    rows.into_iter().map(|(name, oid, of_teams)| Subject { name, oid, of_teams }).collect()
}

async fn new_connection(db: &TestDb) -> PgConnection {
    PgConnection::connect(&db.admin_url()).await.expect("a connection")
}

/// Tables, without COPY, by a connection for each way to have set a team: what was set once is never unset again.
async fn statements(db: &TestDb, tables: &[Subject], matrix: &mut Matrix) {
    let by_team = TEAMS.map(|(_, team, context)| async move {
        let mut conn = new_connection(db).await;
        let mut answers = Vec::new();
        for table in tables {
            let cells: Vec<(String, String, String)> = sqlx::query_as(
                "select r, o, matrix.cell($1, 'longshore_' || r, o, $2, $3) from unnest($4::text[]) r, unnest($5::text[]) o",
            )
            .bind(table.oid)
            .bind(team)
            .bind(context)
            .bind(&ROLES[..])
            .bind(&OPERATIONS[..7])
            .fetch_all(&mut conn)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", table.name));
            answers.extend(cells.into_iter().map(|cell| (&table.name, cell)));
        }
        answers
    });
    for (table, (role, operation, letter)) in futures_util::future::join_all(by_team).await.into_iter().flatten() {
        put(matrix, table, &role, &operation, &letter);
    }
}

fn put(matrix: &mut Matrix, subject: &str, role: &str, operation: &str, letter: &str) {
    let role = ROLES.into_iter().find(|one| *one == role).expect("a role");
    let operation = OPERATIONS.into_iter().find(|one| *one == operation).unwrap_or("call");
    let cells = matrix.entry(subject.to_owned()).or_default().entry(role).or_default();
    cells.entry(operation).or_default().push_str(letter);
}

/// COPY, which only a client can do.
async fn copies(db: &TestDb, tables: &[Subject], matrix: &mut Matrix) {
    let mut conn = new_connection(db).await;
    for (_, team, _) in TEAMS {
        for role in ROLES {
            for table in tables {
                let columns: Vec<(String, bool, bool)> = sqlx::query_as(
                    "select quote_ident(name), has_column_privilege('longshore_' || $2, oid, name, 'select'),
                       has_column_privilege('longshore_' || $2, oid, name, 'insert') from matrix.columns where oid = $1",
                )
                .bind(table.oid)
                .bind(role)
                .fetch_all(&mut conn)
                .await
                .expect("the columns");
                // Those it may; where there are none, all, to hear the refusal.
                let list = |may: fn(&(String, bool, bool)) -> bool| {
                    let any = columns.iter().any(may);
                    let of = columns.iter().filter(|column| !any || may(column)).map(|(name, ..)| name.as_str());
                    of.collect::<Vec<_>>().join(", ")
                };
                let (out, into) = (list(|column| column.1), list(|column| column.2));
                let as_role = || {
                    let team = team.map(|team| format!("; select set_config('app.team_id', '{team}', true)")).unwrap_or_default();
                    format!("begin; set local session authorization longshore_{role}{team}")
                };
                conn.execute(AssertSqlSafe(as_role())).await.expect("a role");
                let statement = format!("copy (select {out} from {}) to stdout", table.name);
                let letter = if columns.iter().any(|column| column.1) {
                    copy_to(&mut conn, &statement, table.of_teams).await
                } else {
                    // sqlx loses count of the answers where a COPY to the client is refused; as a plain statement it does not.
                    letter(&conn.execute(AssertSqlSafe(statement)).await.expect_err("a refusal"))
                };
                put(matrix, &table.name, role, "copy_to", &letter);
                conn.execute(AssertSqlSafe(format!("rollback; {}", as_role()))).await.expect("a role");
                let letter = copy_from(&mut conn, &format!("copy {} ({into}) from stdin", table.name)).await;
                put(matrix, &table.name, role, "copy_from", &letter);
                conn.execute("rollback").await.expect("an end");
            }
        }
    }
}

async fn copy_to(conn: &mut PgConnection, statement: &str, of_teams: bool) -> String {
    let read = async {
        let chunks: Vec<_> = conn.copy_out_raw(statement).await?.try_collect().await?;
        Ok::<_, sqlx::Error>(chunks.concat())
    };
    match read.await {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).expect("text");
            let of_one = text.lines().filter(|line| line.contains("0000000000a1")).count();
            match (of_one, text.lines().count()) {
                (_, 0) => ".",
                _ if !of_teams => "s",
                (0, _) => "w",
                (some, all) if some == all => "v",
                _ => "a",
            }
            .to_owned()
        }
        Err(error) => letter(&error),
    }
}

async fn copy_from(conn: &mut PgConnection, statement: &str) -> String {
    match conn.copy_in_raw(statement).await {
        Ok(copy) => match copy.finish().await {
            Ok(_) => "v".to_owned(),
            Err(error) => letter(&error),
        },
        Err(error) => letter(&error),
    }
}

fn letter(error: &sqlx::Error) -> String {
    let refusal = error.as_database_error().unwrap_or_else(|| panic!("{error}"));
    match refusal.code().as_deref() {
        Some("42501") if refusal.message().contains("row-level security") => "p",
        Some("42501") => "d",
        Some("0A000") => "x",
        other => panic!("{other:?}: {refusal}"),
    }
    .to_owned()
}

async fn functions(db: &TestDb, functions: &[Subject], matrix: &mut Matrix) {
    let mut conn = new_connection(db).await;
    for (_, team, _) in TEAMS {
        for function in functions {
            let cells: Vec<(String, String)> =
                sqlx::query_as("select r, matrix.try('longshore_' || r, $2, matrix.call($1)) from unnest($3::text[]) r")
                    .bind(function.oid)
                    .bind(team)
                    .bind(&ROLES[..])
                    .fetch_all(&mut conn)
                    .await
                    .unwrap_or_else(|error| panic!("{}: {error}", function.name));
            for (role, letter) in cells {
                put(matrix, &function.name, &role, "call", &letter);
            }
        }
    }
}

fn render(matrix: &Matrix, tables: &[Subject]) -> String {
    let mut text = LEGEND.to_owned();
    write!(text, "\n{:<44}", "table").unwrap();
    for operation in OPERATIONS {
        write!(text, " {operation:<9}").unwrap();
    }
    let is_table = |name: &String| tables.iter().any(|table| table.name == *name);
    for (name, roles) in matrix.iter().filter(|(name, _)| is_table(name)) {
        write!(text, "\n{name}").unwrap();
        for role in ROLES {
            write!(text, "\n  {role:<42}").unwrap();
            for operation in OPERATIONS {
                write!(text, " {:<9}", roles[role][operation]).unwrap();
            }
        }
    }
    write!(text, "\n\nfunction\n").unwrap();
    for (name, roles) in matrix.iter().filter(|(name, _)| !is_table(name)) {
        let cells: Vec<_> = ROLES.iter().map(|role| format!("{role} {}", roles[role]["call"])).collect();
        writeln!(text, "{name}\n  {}", cells.join("  ")).unwrap();
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}

/// What must be true of a cell of a table, whatever the fixture says.
fn table_rules(table: &Subject, roles: &BTreeMap<&'static str, BTreeMap<&'static str, String>>, broken: &mut Vec<String>) {
    for (&role, cells) in roles {
        for (&operation, letters) in cells {
            for (letter, (team, ..)) in letters.chars().zip(TEAMS) {
                let mut must = |holds: bool, rule: &str| {
                    if !holds {
                        broken.push(format!("{} {role} {operation} with the team {team} is {letter:?}: {rule}", table.name));
                    }
                };
                must(letter != '!' && letter != 'e', "no answer tells another team's row from an absent one, none is unknown");
                if operation == "truncate" && !matches!(role, "owner" | "migrator") {
                    must(letter == 'd', "truncating passes by policies, and is the owner's alone");
                }
                if operation == "copy_from" && table.of_teams {
                    must(matches!(letter, 'd' | 'x'), "nobody copies into a table of a team's data");
                }
                if role == "auditor" && !matches!(operation, "select" | "copy_to") {
                    must(matches!(letter, 'd' | '-'), "an auditor only reads");
                }
                if role == "auditor" && matches!(operation, "select" | "copy_to") && table.of_teams {
                    must(matches!(letter, 'a' | 'd' | '.'), "an auditor sees every team");
                }
                if !table.of_teams {
                    continue;
                }
                let tenant = matches!(role, "api" | "worker" | "scheduler");
                if table.name == "longshore.senders" && tenant && !matches!(operation, "select" | "copy_to" | "foreign") {
                    must(letter == 'd', "only an operator gives a team a number: what is written to it goes there");
                }
                if table.name == "longshore.webhook_deliveries" && operation == "update" && tenant && role != "worker" {
                    must(letter == 'd', "nobody changes what is told behind the event, and only workers note what came of it");
                }
                let sees = matches!(letter, 'v' | 'a');
                match role {
                    // Its duty is to find what is due, of all teams: policies that carry their reason.
                    "scheduler" if matches!(operation, "select" | "copy_to") && letter == 'a' => {
                        let wide = ["longshore.teams", "queue.schedules", "queue.pauses"];
                        must(wide.contains(&table.name.as_str()), "a scheduler sees all teams only where a policy says why");
                    }
                    "producer" => must(matches!(letter, 'd' | '-'), "a producer acts through functions alone"),
                    "api" | "worker" | "scheduler" if team != "right" => {
                        must(!sees, "a tenant role without the right team never sees or changes its rows");
                    }
                    "api" | "worker" | "scheduler" => {
                        must(letter != 'a' && letter != 'w', "with a team set, only its rows are seen")
                    }
                    "operator" if !matches!(operation, "select" | "copy_to") && team != "right" => {
                        // Teams and their keys are made by operators, whatever team is set.
                        let theirs = ["longshore.teams", "longshore.api_keys"].contains(&table.name.as_str());
                        must(theirs || !sees, "an operator writes for the team it acts as, and reads all");
                    }
                    _ => {}
                }
            }
        }
    }
}

/// What must be true of a function that is told the team.
fn function_rules(name: &str, roles: &BTreeMap<&'static str, BTreeMap<&'static str, String>>, broken: &mut Vec<String>) {
    for (&role, cells) in roles {
        for (letter, (team, ..)) in cells["call"].chars().zip(TEAMS) {
            let refused = matches!(letter, 't' | 'd');
            let wrong = match role {
                "api" | "worker" => team != "right" && !refused,
                // These may be told the team by who calls; but never another than is set.
                "producer" | "scheduler" => team == "wrong" && !refused,
                "auditor" => letter == 'v' && !name.starts_with("queue.census("),
                _ => false,
            };
            if wrong {
                broken.push(format!("{name} as {role} with the team {team} is {letter:?}, not refused"));
            }
        }
    }
}

#[tokio::test]
async fn nobody_sees_or_changes_another_teams_rows_by_any_statement() {
    let db = TestDb::new().await;
    db.admin.execute(include_str!("matrix.sql")).await.expect("the tools");
    db.admin.execute("begin; call matrix.seed(); commit").await.expect("the rows");
    let mut conn = new_connection(&db).await;
    let tables = subjects(&mut conn, "tables", "teams").await;
    let called = subjects(&mut conn, "functions", "for_team").await;
    let mut empty: Vec<&str> = Vec::new();
    for table in tables.iter().filter(|table| table.of_teams && !table.name.ends_with("_0") && !table.name.ends_with("d_1")) {
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(distinct team_id) from {}", table.name)))
            .fetch_one(&mut conn)
            .await
            .expect("a count");
        if rows < 2 {
            empty.push(&table.name);
        }
    }
    assert!(empty.is_empty(), "without rows of two teams these say nothing: {empty:?}");

    let mut matrix = Matrix::new();
    let (mut by_statement, mut by_copy, mut by_call) = (Matrix::new(), Matrix::new(), Matrix::new());
    tokio::join!(
        statements(&db, &tables, &mut by_statement),
        copies(&db, &tables, &mut by_copy),
        functions(&db, &called, &mut by_call)
    );
    for (name, roles) in by_statement.into_iter().chain(by_copy).chain(by_call) {
        for (role, cells) in roles {
            matrix.entry(name.clone()).or_default().entry(role).or_default().extend(cells);
        }
    }

    let mut broken = Vec::new();
    for table in &tables {
        table_rules(table, &matrix[&table.name], &mut broken);
    }
    for function in called.iter().filter(|function| function.of_teams) {
        function_rules(&function.name, &matrix[&function.name], &mut broken);
    }
    let cells: usize = matrix.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values).map(String::len).sum();
    assert!(cells >= 2_000, "only {cells} cells");
    let text = render(&matrix, &tables);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE);
    if std::env::var_os(REGENERATE).is_some() {
        fs::write(&path, &text).expect("the fixture");
    }
    assert!(broken.is_empty(), "{} cells break a rule:\n{}", broken.len(), broken.join("\n"));
    let kept = fs::read_to_string(&path).expect("the fixture");
    let differ: Vec<_> = kept.lines().zip(text.lines()).filter(|(kept, is)| kept != is).take(20).collect();
    assert!(
        kept == text,
        "who may do what is not what {FIXTURE} says ({REGENERATE}=1 writes it anew, for review); kept and found:\n{differ:#?}"
    );
}
