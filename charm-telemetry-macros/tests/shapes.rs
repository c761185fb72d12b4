//! Every form of a struct that can be an exporter.
//!
//! Rule: what Rust allows for a plain struct works here too, unless `tests/ui` shows it refused.

#![expect(dead_code, reason = "the fields are there to be written")]

use charm_telemetry_core::{Registration, Registry, TelemetryExporter, charm_exporter};

/// Nothing to configure.
#[charm_exporter("unit")]
struct Unit;
impl TelemetryExporter for Unit {}

#[charm_exporter("tuple")]
struct Tuple(
    /// The first.
    #[env("TUPLE_FIRST")]
    String,
    u64,
);
impl TelemetryExporter for Tuple {}

#[charm_exporter("empty")]
struct Empty {}
impl TelemetryExporter for Empty {}

#[charm_exporter("raw")]
struct r#Struct {
    #[env("RAW_TYPE")]
    r#type: String,
}
impl TelemetryExporter for r#Struct {}

/// Fields with names that generated code might use itself.
#[charm_exporter("shadow")]
struct Shadow {
    #[env("SHADOW_FIELDS")]
    fields: String,
    #[env("SHADOW_SHAPE")]
    shape: String,
    #[env("SHADOW_FIELD")]
    __field_1: String,
}
impl TelemetryExporter for Shadow {}

#[charm_exporter("conditional")]
struct Conditional {
    #[cfg(any())]
    #[env("CONDITIONAL")]
    never: NoSuchType,
    /// Unlike `never`.
    #[cfg(not(any()))]
    #[env("CONDITIONAL")]
    always: String,
    #[cfg(any())]
    plain: NoSuchType,
}
impl TelemetryExporter for Conditional {}

#[charm_exporter("absent")]
#[cfg(any())]
struct Absent;

#[charm_exporter("derived")]
#[derive(Clone, Debug, PartialEq)]
struct Derived {
    #[env("DERIVED_NAME")]
    name: String,
}
impl TelemetryExporter for Derived {}

#[charm_exporter("itself")]
struct Itself {
    children: Vec<Self>,
    next: Option<Box<Self>>,
}
impl TelemetryExporter for Itself {}

mod outer {
    pub(super) mod inner {
        use charm_telemetry_core::{TelemetryExporter, charm_exporter};

        #[charm_exporter("nested")]
        struct Nested {
            #[env("NESTED_NAME")]
            name: String,
        }

        impl TelemetryExporter for Nested {
            fn shutdown(&mut self, _: std::time::Duration) -> charm_telemetry_core::HookResult {
                Err(self.name.clone().into())
            }
        }
    }
}

macro_rules! family {
    ($type:ident, $name:literal, $variable:literal, $default:literal, $field:ty, $core:path) => {
        #[charm_exporter($name, crate = $core)]
        struct $type {
            #[env($variable, default = $default)]
            field: $field,
        }
        impl TelemetryExporter for $type {}
    };
}

family!(First, "first-of-family", "FIRST", "5s", Option<std::time::Duration>, charm_telemetry_core);
family!(Second, "second-of-family", "SECOND", "on", bool, ::charm_telemetry_core);

/// Names of the prelude and of core that mean something else here.
mod hostile {
    use ::charm_telemetry_core::charm_exporter;

    mod core {}
    mod charm_telemetry_core {}
    enum Option {}
    struct Some;
    struct Fields;
    #[expect(unused_macros, reason = "only there to be in the way")]
    macro_rules! concat {
        () => {};
    }

    #[charm_exporter("hostile")]
    struct Hostile {
        #[env("HOSTILE_NAME")]
        name: ::std::option::Option<String>,
    }

    impl ::charm_telemetry_core::TelemetryExporter for Hostile {
        fn shutdown(&mut self, _: std::time::Duration) -> ::charm_telemetry_core::HookResult {
            drop(self.name.take());
            Ok(())
        }
    }
}

fn registered(name: &str) -> &'static Registration {
    Registry::linked()
        .expect("no two names are the same")
        .get(name)
        .unwrap_or_else(|| panic!("`{name}` is not registered"))
}

#[test]
fn every_shape_is_registered_and_only_those() {
    #[charm_exporter("local")]
    struct Local;
    impl TelemetryExporter for Local {}

    let names: Vec<_> = Registry::linked().unwrap().names().collect();
    let expected = [
        "conditional",
        "derived",
        "empty",
        "first-of-family",
        "hostile",
        "itself",
        "local",
        "nested",
        "raw",
        "second-of-family",
        "shadow",
        "tuple",
        "unit",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_type_is_named_with_its_modules_and_without_raw_marks() {
    assert_eq!(registered("nested").descriptor.type_name, "shapes::outer::inner::Nested");
    assert_eq!(registered("raw").descriptor.type_name, "shapes::Struct");
    assert_eq!(registered("unit").descriptor.crate_name, "charm-telemetry-macros");
    assert_eq!(registered("unit").descriptor.crate_version, env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_field_that_is_configured_away_leaves_no_variable() {
    let variables = registered("conditional").descriptor.variables;
    assert_eq!(variables.len(), 1);
    assert_eq!(variables[0].doc, "Unlike `never`.");
}

#[test]
fn every_shape_can_be_built() {
    let names = ["TUPLE_FIRST", "RAW_TYPE", "SHADOW_FIELDS", "SHADOW_SHAPE", "SHADOW_FIELD", "CONDITIONAL"];
    let more = ["DERIVED_NAME", "NESTED_NAME"];
    let pairs = names.into_iter().chain(more).map(|name| (name, "x"));
    let environment = charm_telemetry_core::Environment::from_pairs(pairs);
    for registration in Registry::linked().unwrap().iter() {
        let mut reader = charm_telemetry_core::EnvironmentReader::new(&environment);
        let built = (registration.build)(&mut reader);
        assert!(built.is_some(), "{}: {:?}", registration.descriptor.name, reader.into_problems());
    }
}
