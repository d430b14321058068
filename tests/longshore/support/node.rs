//! Node, and the packages that `clients/typescript/package.json` pins, installed once below `target/tools`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::programs;

/// Where node and the packages are.
#[derive(Debug, Clone)]
pub struct Node {
    program: PathBuf,
    /// `node_modules`.
    pub modules: PathBuf,
}

impl Node {
    /// `None`, and said so, where they can't be had.
    pub fn find() -> Option<Self> {
        static FOUND: OnceLock<Option<Node>> = OnceLock::new();
        FOUND.get_or_init(Self::install).clone()
    }

    fn install() -> Option<Self> {
        let debian = "apt-get install -y --no-install-recommends nodejs npm";
        let (program, npm) = (programs::find("node", debian)?, programs::find("npm", debian)?);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (wanted, tools) = (root.join("clients/typescript"), root.join("target/tools/typescript"));
        std::fs::create_dir_all(&tools).expect("a folder");
        let lock = |folder: &Path| std::fs::read(folder.join("package-lock.json")).unwrap_or_default();
        if lock(&wanted) != lock(&tools) {
            std::fs::copy(wanted.join("package.json"), tools.join("package.json")).expect("a copy");
            let staged = tools.join("wanted-lock.json");
            std::fs::copy(wanted.join("package-lock.json"), &staged).expect("a copy");
            // npm reads the lock from its folder; ours marks that the packages are there, so it goes there last.
            std::fs::copy(&staged, tools.join("npm-shrinkwrap.json")).expect("a copy");
            let arguments = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix"];
            let done = Command::new(npm).args(arguments).arg(&tools).output().expect("npm");
            if !done.status.success() {
                programs::skip(&format!("npm could not install the packages: {}", String::from_utf8_lossy(&done.stderr)));
                return None;
            }
            std::fs::rename(staged, tools.join("package-lock.json")).expect("a mark");
        }
        Some(Self { program, modules: tools.join("node_modules") })
    }

    /// A command of node's; `require` finds the packages.
    pub fn command(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.env("NODE_PATH", &self.modules);
        command
    }
}
