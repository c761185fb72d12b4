//! What a call of a model asks for besides the prompt.
//!
//! Rule: numbers alone. They go into every vendor's spans, also where content must not leave.

/// The parameters of a call of a model.
///
/// ```
/// use charm_telemetry_core::{LlmStart, ModelParameters};
///
/// let told = r#"{"temperature": 0.2, "max_tokens": 100}"#;
/// let parameters: ModelParameters = serde_json::from_str(told)?;
/// let start = LlmStart::new("gpt-4o").parameters(parameters);
/// assert_eq!(start.parameters.max_tokens, Some(100));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ModelParameters {
    /// How freely tokens are chosen.
    pub temperature: Option<f64>,
    /// Longest answer.
    pub max_tokens: Option<u64>,
    /// Only tokens that together are so likely.
    pub top_p: Option<f64>,
    /// Only so many of the likeliest tokens.
    pub top_k: Option<u64>,
    /// How much tokens that were often said are avoided.
    pub frequency_penalty: Option<f64>,
    /// How much tokens that were said are avoided.
    pub presence_penalty: Option<f64>,
    /// What makes answers repeat.
    pub seed: Option<u64>,
}

impl ModelParameters {
    /// Those that are whole numbers, by name.
    pub fn integers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [("max_tokens", self.max_tokens), ("top_k", self.top_k), ("seed", self.seed)];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// The others, by name. What is no number is left out.
    pub fn doubles(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let all = [
            ("temperature", self.temperature),
            ("top_p", self.top_p),
            ("frequency_penalty", self.frequency_penalty),
            ("presence_penalty", self.presence_penalty),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| value.is_finite())?)))
    }
}
