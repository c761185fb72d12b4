//! The house as a repository of git, as those have it that follow a branch.
//!
//! Rule: nothing of the git of the person who runs the tests reaches it, and nothing of it theirs.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::repository::place;
use crate::requires;
use crate::workspace::root;

/// This workspace as a repository of git. What cargo keeps of it is removed when it is dropped.
#[derive(Debug)]
pub struct HouseInGit {
    git: PathBuf,
    folder: PathBuf,
    name: String,
}

impl HouseInGit {
    /// With all files as they are now on a branch, or `None` after saying that there is no git. Its path is always the same
    /// one: what cargo compiles of it takes the place of what it compiled before, which saves no time but disk.
    ///
    /// # Panics
    /// If git cannot.
    pub fn on_branch(branch: &str) -> Option<Self> {
        let git = requires::program("git")?;
        let name = format!("charm-test-house-{}", place());
        let house = Self { git, folder: root().join("target/image-test").join(&name), name };
        house.forget();
        fs::create_dir_all(&house.folder).unwrap();
        house.git(&["init", "--quiet", "--initial-branch", branch], "");
        house.git(&["add", "--all", "--", "."], "");
        house.commit("as it is");
        Some(house)
    }

    /// One more commit on the branch, in which this file has another text. The one in the workspace stays as it is.
    pub fn commit_with(&self, path: &str, text: &str) {
        let blob = self.git(&["hash-object", "-w", "--stdin"], text);
        self.git(&["update-index", "--cacheinfo", &format!("100644,{blob},{path}")], "");
        self.commit("another");
    }

    fn commit(&self, message: &str) {
        self.git(&["commit", "--quiet", "--message", message], "");
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    /// The newest commit.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"], "")
    }

    /// # Panics
    /// If it fails.
    fn git(&self, args: &[&str], input: &str) -> String {
        let who = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
        let mut git = Command::new(&self.git);
        git.arg("--git-dir").arg(&self.folder).arg("--work-tree").arg(root()).args(who).args(args);
        git.current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        forget_the_caller(&mut git);
        let mut git = git.spawn().unwrap();
        git.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = git.wait_with_output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn forget(&self) {
        let _ = fs::remove_dir_all(&self.folder);
        let kept = super::crates::cargo_home().into_iter().flat_map(|home| {
            ["db", "checkouts"]
                .into_iter()
                .filter_map(move |kind| fs::read_dir(home.join("git").join(kind)).ok())
        });
        for entry in kept.flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.name) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Drop for HouseInGit {
    fn drop(&mut self) {
        self.forget();
    }
}

/// A hook of git tells what it starts which repository and which index are meant; those are the person's own.
fn forget_the_caller(git: &mut Command) {
    for name in [
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_WORK_TREE",
    ] {
        git.env_remove(name);
    }
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_and_the_objects_of_the_caller_are_left_alone() {
        let Some(git) = requires::program("git") else { return };
        let home = tempfile::tempdir().unwrap();
        let ours = home.path().join("ours");
        let theirs = ["index", "objects", "git", "config"].map(|name| home.path().join(name));
        fs::write(&theirs[3], "[core]\n\tautocrlf = nonsense\n").unwrap();
        fs::create_dir(&ours).unwrap();
        fs::write(ours.join("file"), "text").unwrap();
        for args in [&["init", "--quiet"][..], &["add", "file"]] {
            let mut command = Command::new(&git);
            command.args(args).current_dir(&ours);
            command.env("GIT_INDEX_FILE", &theirs[0]).env("GIT_OBJECT_DIRECTORY", &theirs[1]);
            command.env("GIT_DIR", &theirs[2]).env("GIT_CONFIG_GLOBAL", &theirs[3]);
            forget_the_caller(&mut command);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert!(ours.join(".git/index").is_file(), "what was added is in its own index");
        assert!(
            theirs[..3].iter().all(|path| !path.exists()),
            "nothing is written where the caller has its own"
        );
    }
}
