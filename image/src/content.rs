//! The files that we put into an image.
//!
//! Rule: on a base only `/opt/charm` and what is below it, so that nothing of the base is overwritten.

use crate::config::BIN;
use crate::layer::Files;

/// Where the list of what is compiled in lies.
pub(crate) const SBOM_PATH: &str = "/opt/charm/share/sbom/charm-runner.cdx.json";

/// The top layer: the binary, the name by which the cloud starts it, and what is in it.
///
/// `/opt` is left to whoever unpacks: a folder in a layer would replace a link of the base's, which it is on some systems.
/// Our own folders are not: some engines make what is missing so that root alone may enter it.
pub(crate) fn runner(binary: Vec<u8>, sbom: Vec<u8>) -> Files {
    let mut files = Files::default();
    for folder in ["opt/charm", "opt/charm/bin", "opt/charm/share", "opt/charm/share/sbom"] {
        files.folder(folder, 0o755);
    }
    files.file(&relative(&format!("{BIN}/charm-runner")), 0o755, binary);
    files.link(&relative(&format!("{BIN}/charm")), "charm-runner");
    files.file(&relative(SBOM_PATH), 0o644, sbom);
    files
}

/// The layer below it where there is no base: what programs expect of a system. It never changes.
pub(crate) fn bare_system() -> Files {
    let mut files = Files::default();
    for folder in ["etc", "opt"] {
        files.folder(folder, 0o755);
    }
    files.folder("tmp", 0o1777);
    files.folder("work", 0o1777);
    files.file("etc/passwd", 0o644, PASSWD.as_bytes().to_vec());
    files.file("etc/group", 0o644, GROUP.as_bytes().to_vec());
    files
}

const PASSWD: &str = "root:x:0:0:root:/root:/sbin/nologin\ncharm:x:65532:65532:charm:/work:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\ncharm:x:65532:\n";

fn relative(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}
