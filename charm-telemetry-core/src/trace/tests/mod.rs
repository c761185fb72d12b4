//! Tests of the trace assembler.
