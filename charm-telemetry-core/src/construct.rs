//! What `#[charm_exporter]` writes, and how the registry uses it.
//!
//! Rule: generated code holds names and types; whatever can be an ordinary function is one, here.

use crate::descriptor::{ExporterDescriptor, Registration, VariableDescriptor};
use crate::environment::EnvironmentReader;
use crate::exporter::TelemetryExporter;

/// An exporter that can be built from the environment. Written by `#[charm_exporter]`.
pub trait Construct: Sized {
    /// What it says of itself.
    const DESCRIPTOR: &'static ExporterDescriptor;

    /// Reads every field, then builds. `None` after problems were recorded.
    fn construct(fields: &mut Fields<'_, '_>) -> Option<Self>;
}

/// The registry's entry for an exporter.
pub const fn registration<T: Construct + TelemetryExporter>() -> Registration {
    Registration { descriptor: T::DESCRIPTOR, build: build::<T> }
}

fn build<T: Construct + TelemetryExporter>(
    reader: &mut EnvironmentReader<'_>,
) -> Option<Box<dyn TelemetryExporter>> {
    from_reader::<T>(reader).map(|exporter| Box::new(exporter) as Box<dyn TelemetryExporter>)
}

/// Builds an exporter. `None` after problems were recorded.
pub(crate) fn from_reader<T: Construct + TelemetryExporter>(reader: &mut EnvironmentReader<'_>) -> Option<T> {
    let problems_before = reader.problem_count();
    let mut exporter = T::construct(&mut Fields::new(reader, T::DESCRIPTOR))?;
    exporter.prepare(reader);
    // An optional field whose value was refused is `None` like one that is not set, but the exporter must not start.
    (reader.problem_count() == problems_before).then_some(exporter)
}

/// The fields of one exporter that come from the environment, in their order.
pub struct Fields<'reader, 'environment> {
    reader: &'reader mut EnvironmentReader<'environment>,
    rest: std::slice::Iter<'static, VariableDescriptor>,
}

impl<'reader, 'environment> Fields<'reader, 'environment> {
    fn new(
        reader: &'reader mut EnvironmentReader<'environment>,
        descriptor: &'static ExporterDescriptor,
    ) -> Self {
        Self { reader, rest: descriptor.variables.iter() }
    }

    pub(crate) fn required<T>(&mut self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let variable = self.next();
        self.reader.required(variable, parse)
    }

    pub(crate) fn optional<T>(&mut self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let variable = self.next();
        self.reader.optional(variable, parse)
    }

    fn next(&mut self) -> &'static VariableDescriptor {
        self.rest.next().expect("the macro writes one descriptor for each field that it reads")
    }
}

/// The value of a field without `#[env(..)]`.
pub fn default_field<T: DefaultField>() -> T {
    T::default_field()
}

/// A type that can be filled without the environment: by [`Default`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `Default` and its field has no `#[env(..)]`",
    label = "nothing says what this field starts as",
    note = "implement `Default` for `{Self}`, or read the field from the environment: `#[env(\"NAME\")]`"
)]
pub trait DefaultField {
    /// Its default.
    fn default_field() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> DefaultField for T {
    fn default_field() -> Self {
        T::default()
    }
}
