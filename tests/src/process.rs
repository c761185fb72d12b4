//! Runs one command within a bound of time.
//!
//! Rule: whatever it started is gone when this returns.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// Far more than any agent needs, also on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a command left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// What it wrote, with bytes that are no UTF-8 replaced.
    pub stdout: String,
    /// The same of its stderr.
    pub stderr: String,
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
}

/// Runs the command in its own process group, its output going to files in `scratch`.
///
/// # Panics
/// If it can't be started, or doesn't end in two minutes.
pub fn run(mut command: Command, scratch: &Path) -> Finished {
    let [out, err] = ["stdout", "stderr"].map(|name| scratch.join(name));
    let create = |path| std::fs::File::create(path).expect("a file can be made in the scratch folder");
    command.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err)).process_group(0);
    let child = command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}"));
    let code = Group(child).wait();
    let read = |path| String::from_utf8_lossy(&std::fs::read(path).expect("the file was made")).into_owned();
    Finished { stdout: read(&out), stderr: read(&err), code }
}

/// Ends the whole group when it goes out of scope, also when a test panics.
struct Group(Child);

impl Group {
    fn wait(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().expect("the child is ours") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("no end after {PATIENCE:?}");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // Gone already, in the ordinary case.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}
