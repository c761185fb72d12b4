//! Generated code is quiet in a crate that denies everything.
//!
//! Rule: nothing is allowed here that an author would not have to allow for their own code.

#![forbid(unsafe_code, unused_imports)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    let_underscore_drop,
    single_use_lifetimes,
    trivial_casts,
    unused_lifetimes,
    variant_size_differences,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::question_mark_used,
    clippy::implicit_return,
    clippy::absolute_paths,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::min_ident_chars,
    clippy::missing_docs_in_private_items,
    clippy::pattern_type_mismatch,
    clippy::shadow_reuse,
    clippy::shadow_unrelated,
    clippy::single_char_lifetime_names,
    clippy::self_named_module_files
)]

/// Exporters in the shapes that lints look at.
pub mod exporters {
    use std::time::Duration;

    use charm_telemetry_core::{ByteSize, Secret, TelemetryExporter, charm_exporter};

    /// Public, with every kind of field.
    #[derive(Debug)]
    #[charm_exporter("lints-public")]
    pub struct Public {
        /// A name.
        #[env("LINTS_NAME")]
        pub name: String,
        /// A key.
        #[env("LINTS_KEY", "LINTS_OLD_KEY")]
        pub key: Secret,
        /// A time.
        #[env("LINTS_TIMEOUT", default = "5s")]
        pub timeout: Duration,
        /// A size.
        #[env("LINTS_SIZE")]
        pub size: Option<ByteSize>,
        /// A switch.
        #[env("LINTS_SWITCH", default = "on")]
        pub switch: bool,
        /// A count.
        pub count: u64,
    }

    impl TelemetryExporter for Public {}

    /// Old, but still compiled in.
    #[deprecated(note = "use `Public`")]
    #[derive(Debug)]
    #[charm_exporter("lints-deprecated")]
    pub struct Deprecated {
        /// Old as well.
        #[deprecated]
        #[env("LINTS_DEPRECATED")]
        pub name: Option<String>,
    }

    #[expect(deprecated, reason = "the author's own code names it")]
    impl TelemetryExporter for Deprecated {}

    /// Holds something old.
    #[expect(deprecated, reason = "until the new one is there")]
    #[derive(Debug)]
    #[charm_exporter("lints-holder")]
    pub struct Holder {
        /// Old.
        pub old: Option<Deprecated>,
    }

    impl TelemetryExporter for Holder {}

    /// Private to this module.
    #[derive(Debug)]
    #[charm_exporter("lints-private")]
    struct Private;

    impl TelemetryExporter for Private {}
}

#[test]
fn exporters_of_a_strict_crate_are_registered() {
    let mut names = Vec::new();
    if let Ok(registry) = charm_telemetry_core::Registry::linked() {
        names.extend(registry.names());
    }
    assert_eq!(
        names,
        ["lints-deprecated", "lints-holder", "lints-private", "lints-public"],
        "all of this file and nothing else"
    );
}
