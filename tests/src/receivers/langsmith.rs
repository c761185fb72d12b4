//! A double of LangSmith, which refuses what LangSmith would refuse.
//!
//! Rule: its reader is the one of the exporter's own tests, where it is checked against requests of LangSmith's SDK.

use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};

#[path = "../../../exporters/langsmith/src/tests/checker.rs"]
#[expect(dead_code, reason = "the exporter's own tests use the rest of it")]
mod checker;

/// The only key it knows.
pub const LANGSMITH_KEY: &str = "lsv2_pt_0123456789abcdef";

/// A run as it came.
#[derive(Clone, Debug)]
pub struct LangSmithRun(checker::Run);

/// The double.
pub struct LangSmithDouble(ReceiverDouble);

impl LangSmithDouble {
    /// Starts one that allows no compression.
    pub fn start() -> Self {
        let double = ReceiverDouble::start();
        double.answer_with(|request| match request.path.as_str() {
            "/info" => Answer::new(200).body(r#"{"version":"0.12.0","instance_flags":{}}"#),
            _ if request.header("x-api-key") != Some(LANGSMITH_KEY) => Answer::new(403),
            _ => match read(request) {
                Ok(_) => Answer::new(202),
                Err(why) => Answer::new(400).body(why),
            },
        });
        Self(double)
    }

    /// For `LANGSMITH_ENDPOINT`.
    pub fn url(&self) -> String {
        self.0.url("")
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0.address().port()
    }

    /// All that came, `/info` too.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.0.requests()
    }

    /// Every run that was posted.
    ///
    /// # Panics
    /// A request would be refused.
    pub fn runs(&self) -> Vec<LangSmithRun> {
        let requests = self.0.requests();
        let posted = requests.iter().filter(|request| request.path != "/info");
        let runs = posted.flat_map(|request| read(request).unwrap_or_else(|why| panic!("{why}")));
        runs.map(LangSmithRun).collect()
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
        "/runs/multipart" => {
            checker::multipart(request.header("content-type").unwrap_or_default(), &request.body)
        }
        other => Err(format!("`{other}` does not exist")),
    }
}
