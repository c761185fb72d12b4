//! The knobs of a delivery, and the variables that turn them.
//!
//! Rule: the defaults are right for nearly everyone; a value that cannot be read is a problem, never a silent default.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::notice::DeliveryNotice;
use super::tls;
use super::tls_options::TlsOptions;
use crate::descriptor::VariableDescriptor;
use crate::environment::{Environment, EnvironmentReader, VariableProblem};
use crate::value::{ByteSize, parse_duration};

/// How one destination is served.
///
/// ```
/// use charm_telemetry_core::Environment;
/// use charm_telemetry_core::delivery::DeliveryConfig;
/// use std::time::Duration;
///
/// let environment = Environment::from_pairs([("CHARM_DELIVERY_TIMEOUT", "3s")]);
/// let config = DeliveryConfig::from_environment(&environment).unwrap();
/// assert_eq!(config.request_timeout, Duration::from_secs(3));
/// assert_eq!(config.memory_items, 32_768, "the default");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct DeliveryConfig {
    /// Bytes of items in memory, at most.
    pub memory_bytes: usize,
    /// Items in memory, at most.
    pub memory_items: usize,
    /// How long a whole request may take, with name look-up, connection, body and answer.
    pub request_timeout: Duration,
    /// The first pause after a failure, before jitter. It doubles.
    pub first_backoff: Duration,
    /// The longest pause after a failure.
    pub max_backoff: Duration,
    /// The longest pause that a receiver can ask for.
    pub max_retry_after: Duration,
    /// The pause when the receiver refuses our credentials or our address.
    pub pause: Duration,
    /// Where batches go that cannot be delivered.
    pub spool: SpoolConfig,
    /// Certificates of this destination alone. `None`: it shares the HTTP client of all.
    pub tls: Option<TlsOptions>,
    /// Where notices go. Unless set: to the manager whose exporter starts the delivery, as [`Notice::Delivery`]; where
    /// there is no manager, one line on stderr.
    ///
    /// [`Notice::Delivery`]: crate::Notice::Delivery
    pub tell: Option<Tell>,
}

/// Takes a notice. May be called from several threads at once.
///
/// ```
/// use charm_telemetry_core::delivery::{DeliveryConfig, Tell};
/// use std::sync::Arc;
///
/// let quiet: Tell = Arc::new(|_| {});
/// let mut config = DeliveryConfig::default();
/// config.tell = Some(quiet);
/// ```
pub type Tell = Arc<dyn Fn(&DeliveryNotice) + Send + Sync>;

/// Where batches wait on disk, and how many.
///
/// ```
/// use charm_telemetry_core::delivery::SpoolConfig;
///
/// let mut spool = SpoolConfig::in_dir("/var/lib/charm");
/// spool.max_bytes = 16 * 1024 * 1024;
/// assert_eq!(spool.max_age.as_secs(), 7 * 24 * 60 * 60);
/// assert_eq!(SpoolConfig::default().state_dir, None, "no directory, no spool");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolConfig {
    /// The directory `spool` is made in this one. `None`: there is no spool.
    pub state_dir: Option<PathBuf>,
    /// Bytes of spooled batches of one destination, at most.
    pub max_bytes: u64,
    /// How long a batch may wait.
    pub max_age: Duration,
}

const MIB: u64 = 1024 * 1024;

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 16 * 1024 * 1024,
            memory_items: 32_768,
            request_timeout: Duration::from_secs(10),
            first_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_mins(1),
            max_retry_after: Duration::from_mins(5),
            pause: Duration::from_mins(1),
            spool: SpoolConfig::default(),
            tls: None,
            tell: None,
        }
    }
}

/// No directory: it has to be named, so that a test never writes into a home.
impl Default for SpoolConfig {
    fn default() -> Self {
        Self { state_dir: None, max_bytes: 256 * MIB, max_age: Duration::from_hours(7 * 24) }
    }
}

impl SpoolConfig {
    /// The default caps, in this directory.
    pub fn in_dir(state_dir: impl AsRef<Path>) -> Self {
        Self { state_dir: Some(state_dir.as_ref().to_owned()), ..Self::default() }
    }
}

const fn variable(
    names: &'static [&'static str],
    doc: &'static str,
    default: Option<&'static str>,
) -> VariableDescriptor {
    VariableDescriptor { names, doc, default, required: false, secret: false }
}

impl DeliveryConfig {
    /// The variables that every delivery obeys, for listings.
    ///
    /// ```
    /// use charm_telemetry_core::delivery::DeliveryConfig;
    ///
    /// assert!(DeliveryConfig::VARIABLES.iter().any(|variable| variable.names == ["CHARM_STATE_DIR"]));
    /// ```
    pub const VARIABLES: &'static [VariableDescriptor] = &[
        variable(
            &["CHARM_STATE_DIR"],
            "Where what cannot be delivered is kept; unless set, `charm` in the platform's directory for state.",
            None,
        ),
        variable(
            &["CHARM_SPOOL_MAX_BYTES"],
            "How much is kept on disk for each destination and process; `0` for nothing.",
            Some("256MiB"),
        ),
        variable(&["CHARM_SPOOL_MAX_AGE"], "How long it is kept.", Some("7d")),
        variable(
            &["CHARM_DELIVERY_MEMORY_BYTES"],
            "How much is kept in memory for each destination.",
            Some("16MiB"),
        ),
        variable(
            &["CHARM_DELIVERY_TIMEOUT"],
            "How long one request may take, from the look-up of the name to the end of the answer.",
            Some("10s"),
        ),
        variable(&["HTTPS_PROXY", "https_proxy"], "The proxy for `https` addresses.", None),
        variable(&["HTTP_PROXY", "http_proxy"], "The proxy for `http` addresses.", None),
        variable(&["ALL_PROXY", "all_proxy"], "The proxy for both.", None),
        variable(&["NO_PROXY", "no_proxy"], "Hosts that are reached without a proxy, by commas.", None),
        variable(&["SSL_CERT_FILE"], "Certificates of your own authority, besides the bundled ones.", None),
    ];

    /// The defaults, with what these variables say: `CHARM_STATE_DIR`, `CHARM_SPOOL_MAX_BYTES` (`0`: no spool),
    /// `CHARM_SPOOL_MAX_AGE`, `CHARM_DELIVERY_MEMORY_BYTES`, `CHARM_DELIVERY_TIMEOUT`.
    ///
    /// # Errors
    /// Every variable that cannot be read; `SSL_CERT_FILE` too, if the file that it names has no certificates.
    pub fn from_environment(environment: &Environment) -> Result<Self, Vec<VariableProblem>> {
        let (config, mut problems) = Self::read(environment);
        // The client reads it from the environment of the process, whatever this environment is.
        if let Err(error) = tls::check_cert_file() {
            let (variable, message) = (tls::CERT_FILE, error.to_string());
            problems.push(VariableProblem { variable, message, missing: false });
        }
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// What the variables of our own say.
    fn read(environment: &Environment) -> (Self, Vec<VariableProblem>) {
        let mut config = Self::default();
        let mut reader = Reader { environment, problems: Vec::new() };
        reader.read(SHARED[0], parse_bytes, &mut config.spool.max_bytes);
        reader.read(SHARED[1], parse_time, &mut config.spool.max_age);
        reader.read(SHARED[2], parse_time, &mut config.request_timeout);
        let mut memory = config.memory_bytes as u64;
        reader.read(SHARED[3], parse_memory, &mut memory);
        config.memory_bytes = usize::try_from(memory).unwrap_or(usize::MAX);
        if config.spool.max_bytes > 0 {
            config.spool.state_dir = state_dir(environment);
        }
        (config, reader.problems)
    }
}

/// Records what is wrong with the variables that all deliveries share, so that it is told once and not by each exporter.
pub(crate) fn check(reader: &mut EnvironmentReader<'_>) {
    let (_, problems) = DeliveryConfig::read(reader.environment());
    for problem in problems {
        reader.problem(problem.variable, problem.message);
    }
}

/// Whether it is one of those.
pub(crate) fn is_shared(variable: &str) -> bool {
    SHARED.contains(&variable)
}

const SHARED: [&str; 4] =
    ["CHARM_SPOOL_MAX_BYTES", "CHARM_SPOOL_MAX_AGE", "CHARM_DELIVERY_TIMEOUT", "CHARM_DELIVERY_MEMORY_BYTES"];

/// Where state is kept: `CHARM_STATE_DIR`, else `charm` in the platform's directory for state.
///
/// ```
/// use charm_telemetry_core::Environment;
/// use charm_telemetry_core::delivery::state_dir;
///
/// let environment = Environment::from_pairs([("CHARM_STATE_DIR", "/var/lib/charm")]);
/// assert_eq!(state_dir(&environment), Some("/var/lib/charm".into()));
/// assert_eq!(state_dir(&Environment::default()), None);
/// ```
pub fn state_dir(environment: &Environment) -> Option<PathBuf> {
    if let Some(dir) = environment.get("CHARM_STATE_DIR") {
        return Some(PathBuf::from(dir));
    }
    if cfg!(target_os = "macos") {
        return Some(Path::new(environment.get("HOME")?).join("Library/Application Support/charm"));
    }
    let absolute = |dir: &&str| Path::new(dir).is_absolute();
    if let Some(dir) = environment.get("XDG_STATE_HOME").filter(absolute) {
        return Some(Path::new(dir).join("charm"));
    }
    Some(Path::new(environment.get("HOME")?).join(".local/state/charm"))
}

struct Reader<'a> {
    environment: &'a Environment,
    problems: Vec<VariableProblem>,
}

impl Reader<'_> {
    fn read<T>(&mut self, variable: &'static str, parse: fn(&str) -> Result<T, String>, into: &mut T) {
        let Some(text) = self.environment.get(variable) else { return };
        match parse(text) {
            Ok(value) => *into = value,
            Err(why) => {
                let message = format!("`{variable}` is `{text}`: {why}");
                self.problems.push(VariableProblem { variable, message, missing: false });
            }
        }
    }
}

/// A time in which nothing could be done would lose everything.
fn parse_time(text: &str) -> Result<Duration, String> {
    parse_duration(text).and_then(|time| if time.is_zero() { Err(NOTHING.to_owned()) } else { Ok(time) })
}

fn parse_memory(text: &str) -> Result<u64, String> {
    parse_bytes(text).and_then(|bytes| if bytes == 0 { Err(NOTHING.to_owned()) } else { Ok(bytes) })
}

const NOTHING: &str = "with that everything would be lost; leave it out for the default";

fn parse_bytes(text: &str) -> Result<u64, String> {
    text.parse().map(ByteSize::bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_default_is_the_default() {
        let pairs = DeliveryConfig::VARIABLES
            .iter()
            .filter_map(|variable| Some((variable.names[0], variable.default?)));
        let listed = DeliveryConfig::from_environment(&Environment::from_pairs(pairs)).unwrap();
        let default = DeliveryConfig::default();
        assert_eq!(
            (listed.memory_bytes, listed.request_timeout, listed.spool.max_bytes, listed.spool.max_age),
            (default.memory_bytes, default.request_timeout, default.spool.max_bytes, default.spool.max_age)
        );
        // One that is read and not listed would be missed by those who look for it.
        for name in ["CHARM_SPOOL_MAX_BYTES", "CHARM_SPOOL_MAX_AGE", "CHARM_DELIVERY_MEMORY_BYTES"] {
            assert!(DeliveryConfig::VARIABLES.iter().any(|variable| variable.names == [name]), "{name}");
        }
    }

    #[test]
    fn the_variables_turn_the_knobs() {
        let environment = Environment::from_pairs([
            ("CHARM_STATE_DIR", "/state"),
            ("CHARM_SPOOL_MAX_BYTES", "3MiB"),
            ("CHARM_SPOOL_MAX_AGE", "2d"),
            ("CHARM_DELIVERY_TIMEOUT", "1500ms"),
            ("CHARM_DELIVERY_MEMORY_BYTES", "1000"),
        ]);
        let config = DeliveryConfig::from_environment(&environment).unwrap();
        assert_eq!(config.spool.state_dir.as_deref(), Some(Path::new("/state")));
        assert_eq!(config.spool.max_bytes, 3 * MIB);
        assert_eq!(config.spool.max_age, Duration::from_hours(48));
        assert_eq!(config.request_timeout, Duration::from_millis(1500));
        assert_eq!(config.memory_bytes, 1000);
    }

    #[test]
    fn every_variable_that_cannot_be_read_is_named() {
        let pairs = [("CHARM_SPOOL_MAX_BYTES", "lots"), ("CHARM_SPOOL_MAX_AGE", "3 fortnights")];
        let problems = DeliveryConfig::from_environment(&Environment::from_pairs(pairs)).err().unwrap();
        let variables: Vec<_> = problems.iter().map(|problem| problem.variable).collect();
        assert_eq!(variables, ["CHARM_SPOOL_MAX_BYTES", "CHARM_SPOOL_MAX_AGE"]);
    }

    #[test]
    fn every_variable_that_can_be_wrong_is_a_shared_one() {
        let pairs = SHARED.map(|name| (name, "x"));
        let problems = DeliveryConfig::from_environment(&Environment::from_pairs(pairs)).err().unwrap();
        assert_eq!(problems.len(), SHARED.len());
        assert!(problems.iter().all(|problem| is_shared(problem.variable)));
    }

    #[test]
    fn a_cap_of_nothing_means_no_spool() {
        let pairs = [("CHARM_SPOOL_MAX_BYTES", "0"), ("CHARM_STATE_DIR", "/state")];
        let config = DeliveryConfig::from_environment(&Environment::from_pairs(pairs)).unwrap();
        assert_eq!(config.spool.state_dir, None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn state_is_kept_where_the_platform_says() {
        let check = |pairs: &[(&str, &str)], expected: Option<&str>| {
            let environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(state_dir(&environment).as_deref(), expected.map(Path::new), "{pairs:?}");
        };
        check(&[("CHARM_STATE_DIR", "/a"), ("XDG_STATE_HOME", "/b"), ("HOME", "/c")], Some("/a"));
        check(&[("XDG_STATE_HOME", "/b"), ("HOME", "/c")], Some("/b/charm"));
        check(&[("XDG_STATE_HOME", "relative"), ("HOME", "/c")], Some("/c/.local/state/charm"));
        check(&[], None);
    }
}
