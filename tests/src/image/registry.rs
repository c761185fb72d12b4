//! A registry on loopback that wants a password.
//!
//! Rule: its log is what a test counts: what a registry saw, not what a client says that it sent.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::requires;

/// `docker-registry`, running until it is dropped.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    folder: tempfile::TempDir,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

/// The user of the registries in tests.
pub const USER: &str = "test";
/// The password of the user `test`.
pub const PASSWORD: &str = "geheim";
/// `htpasswd -Bbn test geheim`.
const HTPASSWD: &str = "test:$2y$05$BCPL/xAf4CK2EtL3IE7K/O1jDbHGFGVkPAS9aetgc6fbn.ju7JGYq\n";

impl Registry {
    /// Starts one with a password; `None` after saying that the calling test is skipped.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start() -> Option<Self> {
        Self::start_with(None, "")
    }

    /// Starts one that lets in who this `auth` (of its configuration, in YAML) does, without one who has the password;
    /// `http` is more of that part of its configuration.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_with(auth: Option<&str>, http: &str) -> Option<Self> {
        let program = requires::program("docker-registry")?;
        requires::program("skopeo")?;
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("htpasswd"), HTPASSWD).unwrap();
        let password = format!("htpasswd: {{realm: test, path: {}}}", at("htpasswd").display());
        let config = format!(
            "version: 0.1\nlog:\n  accesslog: {{disabled: false}}\n\
             storage:\n  filesystem: {{rootdirectory: {data}}}\n\
             http:\n  addr: {address}\n{http}\
             auth:\n  {auth}\n",
            data = at("data").display(),
            auth = auth.unwrap_or(&password),
        );
        fs::write(at("config.yml"), config).unwrap();
        let log = File::create(at("log")).unwrap();
        let child = Command::new(program)
            .arg("serve")
            .arg(at("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let registry = Self { child, folder, address };
        registry.wait();
        Some(registry)
    }

    fn wait(&self) {
        let started = Instant::now();
        while std::net::TcpStream::connect(&self.address).is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "the registry does not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A folder for `DOCKER_CONFIG` with this password.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn docker_config(&self, password: &str) -> PathBuf {
        use std::io::Write as _;
        let folder = self.folder.path().join(format!("login-{password}"));
        fs::create_dir_all(&folder).unwrap();
        // `base64` is a program of every system with skopeo.
        let mut child =
            Command::new("base64").arg("-w0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{USER}:{password}").as_bytes()).unwrap();
        let auth = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let config = serde_json::json!({ "auths": { &self.address: { "auth": auth } } });
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
        folder
    }

    /// Everything that it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The requests of one method in its log since an earlier length of it.
    pub fn requests(&self, method: &str, since: usize) -> Vec<String> {
        let log = self.log();
        let lines = log[since.min(log.len())..].lines();
        let start = format!("\"{method} ");
        lines.filter_map(|line| line.split_once(&start)).map(|(_, rest)| rest.to_owned()).collect()
    }

    /// Copies an image into it with skopeo, another client than ours.
    ///
    /// # Panics
    /// If that fails.
    pub fn fill(&self, source: &str, name: &str, flags: &[&str]) {
        let target = format!("docker://{}/{name}", self.address);
        let credentials = format!("{USER}:{PASSWORD}");
        skopeo(
            ["copy", "--quiet", "--dest-tls-verify=false", "--dest-creds", &credentials].into_iter(),
            flags,
            &[source, &target],
        );
    }

    /// Copies an image out of it with skopeo.
    ///
    /// # Panics
    /// If that fails.
    pub fn pull(&self, name: &str, target: &str) {
        let source = format!("docker://{}/{name}", self.address);
        let credentials = format!("{USER}:{PASSWORD}");
        skopeo(
            ["copy", "--quiet", "--src-tls-verify=false", "--src-creds", &credentials].into_iter(),
            &[],
            &[&source, target],
        );
    }
}

fn skopeo<'a>(args: impl Iterator<Item = &'a str>, flags: &[&str], places: &[&str]) {
    let output = Command::new("skopeo").args(args).args(flags).args(places).output().unwrap();
    assert!(output.status.success(), "skopeo {places:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Registry {
    fn drop(&mut self) {
        // If it is gone already there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
