//! What erasures and exports do with files: one aside while it is written, and folders of the object store that go.

use std::path::PathBuf;

use tokio::fs::{File, OpenOptions};
use uuid::Uuid;

use crate::{ctx::Ctx, ids::TeamId, job::Stop};

/// A file aside that goes when nobody needs it any more. It holds people's data: nobody else on the machine may read it.
pub(super) struct Aside(pub(super) PathBuf);

impl Aside {
    /// Makes one, and opens it.
    pub(super) async fn create() -> Result<(Self, File), Stop> {
        let aside = Self(std::env::temp_dir().join(format!("longshore-{}", Uuid::new_v4())));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        let file = options.open(&aside.0).await?;
        Ok((aside, file))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What can't be removed was never written, or is the system's to tidy.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Where the exports of a request lie.
pub(super) fn exports(team: TeamId, request: i64) -> String {
    format!("t/{team}/exports/{request}/")
}

/// Takes away every object below a folder (which ends with `/`), and says how many there were.
pub(super) async fn take_away(ctx: &Ctx, folder: &str) -> Result<i64, Stop> {
    let objects = &ctx.services().objects;
    let mut gone = 0;
    loop {
        ctx.check_cancelled()?;
        let page = objects.list(folder, None).await?;
        if page.is_empty() {
            return Ok(gone);
        }
        for key in &page {
            objects.delete(key).await?;
            gone += 1;
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Aside;

    #[tokio::test]
    async fn a_file_aside_is_its_owners_and_goes_when_nobody_needs_it() {
        let (aside, file) = Aside::create().await.expect("a file");
        let path = aside.0.clone();
        assert_eq!(file.metadata().await.expect("its mode").permissions().mode() & 0o777, 0o600);
        drop((aside, file));
        assert!(!path.exists());
    }
}
