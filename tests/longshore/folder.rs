//! Where the local stack keeps its state.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use longshore::dev::folder::{Folder, FolderError, ROOM_MEBIBYTES, State};
use tempfile::TempDir;

/// A folder that anybody may enter, as most checkouts are.
fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn as_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn the_state_stays_in_the_checkout_and_is_found_again() {
    let (here, temporary) = (open_folder(), open_folder());
    let folder = Folder::open(here.path(), temporary.path(), ROOM_MEBIBYTES).unwrap();
    assert_eq!(folder.path(), here.path().join(".longshore"));
    assert!(folder.moved.is_none());
    let state = State { name: "abc".into(), key: Some("secret".into()), ..folder.state().unwrap() };
    folder.keep(&state).unwrap();
    let mode = fs::metadata(folder.path().join("state.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read the state, which holds a key");
    drop(folder);
    let folder = Folder::open(here.path(), temporary.path(), ROOM_MEBIBYTES).unwrap();
    assert_eq!(folder.state().unwrap(), state);
    folder.clear().unwrap();
    assert_eq!(folder.state().unwrap(), State::default());
}

#[test]
fn two_stacks_do_not_share_a_folder() {
    let (here, temporary) = (open_folder(), open_folder());
    let _first = Folder::open(here.path(), temporary.path(), ROOM_MEBIBYTES).unwrap();
    let second = Folder::open(here.path(), temporary.path(), ROOM_MEBIBYTES).expect_err("a second one");
    let text = second.to_string();
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
}

#[test]
fn a_checkout_that_cannot_be_written_sends_the_state_to_the_temporary_folder_and_says_so() {
    let temporary = open_folder();
    let open = || Folder::open(Path::new("/proc"), temporary.path(), ROOM_MEBIBYTES).unwrap();
    let folder = open();
    assert!(folder.path().starts_with(temporary.path()));
    let moved = folder.moved.clone().unwrap();
    assert!(moved.contains("/proc/.longshore can't be made") && moved.contains(&folder.path().display().to_string()), "{moved}");
    let path = folder.path().to_owned();
    drop(folder);
    assert_eq!(open().path(), path, "the next start does not find it again");
}

#[test]
fn a_checkout_that_the_servers_user_cannot_enter_sends_the_state_to_the_temporary_folder() {
    if !as_root() {
        return; // the server then runs as ourselves
    }
    let (home, temporary) = (open_folder(), open_folder());
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let checkout = home.path().join("checkout");
    fs::create_dir(&checkout).unwrap();
    let folder = Folder::open(&checkout, temporary.path(), ROOM_MEBIBYTES).unwrap();
    assert!(folder.path().starts_with(temporary.path()));
    assert!(folder.moved.as_ref().unwrap().contains("can't enter"));
}

#[test]
fn when_no_place_will_do_the_error_says_why_and_what_to_do() {
    let (here, temporary) = (open_folder(), open_folder());
    let error = Folder::open(here.path(), temporary.path(), u64::MAX).expect_err("a disk with so much room");
    assert!(matches!(error, FolderError::NoPlace { .. }));
    let text = error.to_string();
    for part in ["MiB left", ".longshore", "TMPDIR"] {
        assert!(text.contains(part), "{text}");
    }
}
