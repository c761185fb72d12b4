//! A double of LangSmith, which refuses what LangSmith would refuse.
//!
//! Rule: its reader is that of the exporter's own tests, where it is checked against requests of LangSmith's SDKs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};

#[path = "../../../exporters/langsmith/src/tests/checker.rs"]
#[expect(dead_code, reason = "the exporter's own tests use the rest of it")]
mod checker;

use checker::Server;

/// The only key it knows.
pub const LANGSMITH_KEY: &str = "lsv2_pt_0123456789abcdef";

/// A run as it came.
#[derive(Clone, Debug)]
pub struct LangSmithRun(checker::Run);

/// The double. A test in which it refused something fails.
pub struct LangSmithDouble {
    double: ReceiverDouble,
    server: Arc<Mutex<Server>>,
}

impl LangSmithDouble {
    /// Starts one that allows zstd, as LangSmith's own servers do.
    pub fn start() -> Self {
        const INFO: &str = r#"{"version":"0.12.0","instance_flags":{"zstd_compression_enabled":true}}"#;
        let double = ReceiverDouble::start();
        let server = Server::new(LANGSMITH_KEY, Answer::new(200).body(INFO), INFO, SystemTime::now);
        let server = Arc::new(Mutex::new(server));
        let serving = Arc::clone(&server);
        double.answer_with(move |request| {
            serving.lock().unwrap_or_else(PoisonError::into_inner).answer(request)
        });
        Self { double, server }
    }

    /// For `LANGSMITH_ENDPOINT`.
    pub fn url(&self) -> String {
        self.double.url("")
    }

    /// All that came, `/info` too.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.double.requests()
    }

    /// Every run that was posted.
    ///
    /// # Panics
    /// A request would be refused.
    pub fn runs(&self) -> Vec<LangSmithRun> {
        let requests = self.double.requests();
        let posted = requests.iter().filter(|request| request.path != "/info");
        let runs = posted.flat_map(|request| read(request).unwrap_or_else(|why| panic!("{why}")));
        runs.map(LangSmithRun).collect()
    }
}

impl Drop for LangSmithDouble {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.server.lock().unwrap_or_else(PoisonError::into_inner).refused(), [""; 0]);
        }
    }
}

impl LangSmithRun {
    /// The object of the run itself.
    pub fn main(&self) -> &serde_json::Value {
        &self.0.main
    }

    /// `inputs`, `outputs`, `extra`..
    pub fn field(&self, name: &str) -> &serde_json::Value {
        self.0.field(name)
    }
}

fn read(request: &RecordedRequest) -> Result<Vec<checker::Run>, String> {
    match request.path.as_str() {
        "/runs/batch" => checker::batch(&request.body),
        _ => checker::multipart(request.header("content-type").unwrap_or_default(), &request.body),
    }
}
