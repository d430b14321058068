//! A role of the real binary, as a process.

use std::path::Path;

use longshore::dev::child::{Child, Role};

/// Starts `longshore WORD` on the database at `url`, as `name` in its log below `folder`, with `more` in its environment.
pub async fn start(word: &str, name: &str, url: String, more: &[(&str, &str)], folder: &Path) -> Child {
    let objects = format!("file://{}/objects", folder.display());
    let mut environment = vec![
        ("DATABASE_URL".to_owned(), url),
        ("LONGSHORE_API__BIND".to_owned(), "127.0.0.1:0".to_owned()),
        ("LONGSHORE_OBJECTS__URL".to_owned(), objects),
        ("LONGSHORE_WORKER__POLL_MILLISECONDS".to_owned(), "50".to_owned()),
        ("LONGSHORE_LOG__FORMAT".to_owned(), "json".to_owned()),
    ];
    environment.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    let role = Role { name: name.into(), words: vec![word.into()], environment };
    let started = Child::start(Path::new(env!("CARGO_BIN_EXE_longshore")), &role, folder).await;
    started.unwrap_or_else(|error| panic!("{error}"))
}
