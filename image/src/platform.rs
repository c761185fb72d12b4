//! For which operating system and processor an image is.
//!
//! Rule: a platform that the toolchain cannot build for is refused before anything is built.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use crate::error::RequestError;

/// `linux/amd64` and its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// The processor, in the words of registries: `amd64`, `arm64`.
    pub architecture: String,
    /// Its version, if the platform names one.
    pub variant: Option<String>,
}

/// The platforms that can be asked for: the processor, and Rust's name for it.
const KNOWN: &[(&str, &str)] =
    &[("amd64", "x86_64"), ("arm64", "aarch64"), ("riscv64", "riscv64gc"), ("s390x", "s390x")];

impl Platform {
    /// The one of this machine.
    pub fn host() -> Self {
        let rust = std::env::consts::ARCH;
        let known = KNOWN.iter().find(|(_, name)| name.trim_end_matches("gc") == rust);
        Self { architecture: known.map_or(rust, |(name, _)| name).to_owned(), variant: None }
    }

    /// Rust's target for it that is installed.
    ///
    /// # Errors
    /// [`RequestError::Platform`] if the standard library of none is there.
    pub fn installed_target(&self) -> Result<String, RequestError> {
        let rust = KNOWN.iter().find(|(name, _)| *name == self.architecture).map(|(_, rust)| *rust);
        let rust = rust.ok_or_else(|| RequestError::PlatformName { text: self.to_string() })?;
        let installed = installed_targets();
        let candidates = ["gnu", "musl"].map(|libc| format!("{rust}-unknown-linux-{libc}"));
        let found = candidates.iter().find(|target| installed.contains(target));
        found.cloned().ok_or_else(|| RequestError::Platform {
            platform: self.to_string(),
            target: candidates[0].clone(),
            installed: installed.join(", "),
        })
    }

    /// Whether an entry of an image index, or an image configuration, is for it.
    pub(crate) fn matches(&self, described: &serde_json::Value) -> bool {
        let text = |key: &str| described.get(key).and_then(serde_json::Value::as_str);
        let same_variant = match (&self.variant, text("variant")) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => true,
        };
        text("os") == Some("linux") && text("architecture") == Some(&self.architecture) && same_variant
    }
}

impl FromStr for Platform {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let unknown = || RequestError::PlatformName { text: text.to_owned() };
        let mut parts = text.split('/');
        let (os, architecture, variant) = (parts.next(), parts.next().ok_or_else(unknown)?, parts.next());
        let known = KNOWN.iter().any(|(name, _)| *name == architecture) && variant.is_none_or(is_variant);
        let whole = os == Some("linux") && known && parts.next().is_none();
        whole
            .then(|| Self { architecture: architecture.to_owned(), variant: variant.map(str::to_owned) })
            .ok_or_else(unknown)
    }
}

/// `v8` and its like.
fn is_variant(text: &str) -> bool {
    let digits = text.strip_prefix('v').unwrap_or_default();
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linux/{}", self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// The targets whose standard library is installed; of no use to report an error of, so none is an empty list.
fn installed_targets() -> Vec<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot =
        Command::new(rustc).args(["--print", "sysroot"]).output().unwrap_or_else(|_| empty_output());
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    let Ok(entries) = std::fs::read_dir(Path::new(&sysroot).join("lib/rustlib")) else { return Vec::new() };
    let has_std = |folder: &Path| folder.join("lib").is_dir();
    let folders = entries.flatten().map(|entry| entry.path()).filter(|path| has_std(path));
    let mut names: Vec<_> = folders.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

fn empty_output() -> std::process::Output {
    std::process::Output {
        status: std::process::ExitStatus::default(),
        stdout: Vec::new(),
        stderr: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::Platform;

    #[test]
    fn a_platform_is_a_system_a_processor_and_perhaps_its_version() {
        for text in ["linux/amd64", "linux/amd64/v3", "linux/arm64/v8", "linux/riscv64", "linux/s390x"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn another_is_refused_with_those_that_are_known() {
        for text in [
            "",
            "linux",
            "linux/mips",
            "windows/amd64",
            "linux/amd64/",
            "linux/amd64/nonsense",
            "linux/arm64/v",
            "linux/arm64/v8/x",
        ] {
            let expected = format!(
                "unknown platform `{text}`; known are linux/amd64, linux/arm64, linux/riscv64 and linux/s390x, and versions of these, as linux/arm64/v8"
            );
            assert_eq!(text.parse::<Platform>().unwrap_err().to_string(), expected);
        }
    }
}
