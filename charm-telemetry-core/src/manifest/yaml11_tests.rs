//! What the reference's reader made of each of these, as observed.
use super::plain;

fn seen(text: &str) -> String {
    use super::Data;
    match plain(text) {
        Data::Null => "null".into(),
        Data::Bool(value) => format!("bool {value}"),
        Data::Int(value) => format!("int {value}"),
        Data::Float(value) => format!("float {value}"),
        Data::Str(_) => "text".into(),
        Data::Timestamp => "date".into(),
        _ => "refused".into(),
    }
}

#[track_caller]
fn check(expected: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(seen(text), expected, "{text:?}");
    }
}

#[test]
fn booleans_and_nothing_have_many_spellings() {
    check("bool true", &["yes", "Yes", "YES", "on", "On", "TRUE"]);
    check("bool false", &["no", "No", "NO", "off", "OFF", "False"]);
    check("null", &["", "~", "null", "Null", "NULL"]);
    check("text", &["nO", "y", "Y", "n", "oFF", "tRUE", "nULL"]);
}

#[test]
fn whole_numbers_have_five_notations() {
    check("int 0", &["0", "00", "0_"]);
    check("int 8", &["010", "0b1000", "0x8", "8", "+8", "8_"]);
    check("int -90", &["-1:30", "-90", "-0x5a", "-0132"]);
    check("int 3723", &["1:2:3"]);
    check(
        "text",
        &["08", "0b2", "0o7", "0x", "0X1", "_1", "-_", "+", "1:60", "01:30", "00:1", "1:005", "1,5"],
    );
    check("refused", &["0x_", "0b_"]);
}

#[test]
fn fractions_need_their_point_and_a_signed_exponent() {
    check("float 1", &["1.", "1.0", "1._", "+1.0"]);
    check("float 0.5", &[".5", ".5_", "0.5", "5.0e-1"]);
    check("float 90.5", &["1:30.5", "9_0.5"]);
    check("float inf", &[".inf", "+.INF", ".Inf"]);
    check("float NaN", &[".nan", ".NaN", ".NAN"]);
    check(
        "text",
        &["1e5", "1.e5", "1.5e5", "-.5", "+.5", "._5", ".", "..", ".nAn", "1.0:30", "12e03", "+.nan"],
    );
}

#[test]
fn dates_must_exist() {
    check("date", &["2001-01-01", "2004-02-29", "2001-1-1 10:00:00", "2001-01-01T10:00:00Z"]);
    check(
        "date",
        &["2001-01-01t10:00:00.123456789-5", "2001-01-01 10:00:00 +5:30", "2001-01-01 10:00:00 +23:59"],
    );
    check("text", &["2001-1-1", "2001-01-01 10:00", "2001-01-011", "12001-01-01"]);
    check("refused", &["2001-02-30", "2001-13-01", "0000-01-01", "2001-01-01 25:00:00"]);
    check("refused", &["2001-01-01 10:00:00 +24:00", "2001-01-01 10:00:00 -99"]);
}

#[test]
fn signs_with_a_meaning_of_their_own_are_refused() {
    check("refused", &["=", "<<"]);
}
