//! The two forms of an export: an object a line, or CSV as RFC 4180 has it.
//!
//! Data stays as it is: what a spreadsheet would take for a formula is not changed, since who reads an
//! export by program would else get other values than there are.
//! Holds: both forms have the same columns in the same order, and tell nothing from an empty text.

use portolan_wire::query::{Parameter, ParameterFault, Query};
use serde::Serialize;
use serde_json::Value;

use crate::error::ApiError;

/// `format`; jsonl where it is absent.
pub(crate) const FORMAT: Parameter = Parameter::one_of("format", &["jsonl", "csv"]);

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Jsonl,
    Csv,
}

impl Form {
    /// The content types, as the API's description names them.
    pub(crate) const CONTENT_TYPES: &[&str] =
        &[Self::Jsonl.content_type(), Self::Csv.content_type()];

    pub(super) fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        let asked = FORMAT.read(query, |text| match text {
            "jsonl" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        })?;
        Ok(asked.unwrap_or(Self::Jsonl))
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// What comes before the rows.
    pub(super) fn head(self, columns: &[&str], out: &mut Vec<u8>) {
        if self == Self::Csv {
            out.extend_from_slice(columns.join(",").as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }

    /// One row, which has these fields in this order.
    pub(super) fn row(
        self,
        columns: &[&str],
        row: &impl Serialize,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        match self {
            Self::Jsonl => {
                serde_json::to_writer(&mut *out, row).map_err(ApiError::internal)?;
                out.push(b'\n');
            }
            Self::Csv => {
                let row = serde_json::to_value(row).map_err(ApiError::internal)?;
                for (place, name) in columns.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    let missing = || ApiError::internal(format!("a row has no {name}"));
                    cell(row.get(name).ok_or_else(missing)?, out);
                }
                out.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }
}

/// A cell of CSV. Null is nothing at all, and an empty text a pair of quotes.
fn cell(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::String(text) => quoted(text, out),
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string(), out),
        Value::Bool(_) | Value::Number(_) => out.extend_from_slice(value.to_string().as_bytes()),
    }
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() && !text.contains(['"', ',', '\r', '\n']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(form: Form, row: &Value) -> String {
        let (columns, mut out) = (["a", "b", "c"], Vec::new());
        form.head(&columns, &mut out);
        form.row(&columns, row, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_quotes_what_needs_it_and_changes_nothing() {
        let row = json!({"a": "say \"x\",\r\ny", "b": null, "c": ""});
        assert_eq!(
            written(Form::Csv, &row),
            "a,b,c\r\n\"say \"\"x\"\",\r\ny\",,\"\"\r\n"
        );
        let row = json!({"a": "=1+1", "b": -5, "c": "-@ é\u{1b} "});
        assert_eq!(written(Form::Csv, &row), "a,b,c\r\n=1+1,-5,-@ é\u{1b} \r\n");
    }

    #[test]
    fn a_list_is_one_cell_of_json() {
        let row = json!({"a": [{"addr": "::", "port": 80}], "b": true, "c": []});
        assert_eq!(
            written(Form::Csv, &row),
            "a,b,c\r\n\"[{\"\"addr\"\":\"\"::\"\",\"\"port\"\":80}]\",true,[]\r\n"
        );
    }

    #[test]
    fn jsonl_has_one_line_an_object_whatever_is_in_it() {
        let row = json!({"a": "x\ny", "b": null, "c": [1]});
        assert_eq!(
            written(Form::Jsonl, &row),
            "{\"a\":\"x\\ny\",\"b\":null,\"c\":[1]}\n"
        );
    }

    #[test]
    fn a_row_without_one_of_its_columns_is_no_row() {
        let (columns, row) = (["a", "b"], json!({"a": 1}));
        let mut out = Vec::new();
        assert!(Form::Csv.row(&columns, &row, &mut out).is_err());
    }
}
