//! What goes into a statement.

/// A parameter. It has its type even where it is null, since a database may have to be told.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Value<'a> {
    /// An integer.
    Int(Option<i64>),
    /// A text.
    Text(Option<&'a str>),
    /// Bytes.
    Blob(&'a [u8]),
}

macro_rules! values {
    ($($from:ty: |$value:ident| $to:expr;)*) => {
        $(impl<'a> From<$from> for Value<'a> {
            fn from($value: $from) -> Self {
                $to
            }
        })*
    };
}

values! {
    i64: |value| Self::Int(Some(value));
    u32: |value| Self::Int(Some(i64::from(value)));
    Option<i64>: |value| Self::Int(value);
    Option<u16>: |value| Self::Int(value.map(i64::from));
    &'a str: |value| Self::Text(Some(value));
    &'a String: |value| Self::Text(Some(value));
    Option<&'a str>: |value| Self::Text(value);
    Option<&'a String>: |value| Self::Text(value.map(String::as_str));
    &'a Option<String>: |value| Self::Text(value.as_deref());
    &'a [u8]: |value| Self::Blob(value);
}

/// Integers as one parameter, for a statement that walks along them.
pub(in crate::store) fn numbers(rows: &[i64]) -> String {
    let numbers: Vec<_> = rows.iter().map(i64::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// The parameters of a statement, in their order.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::store::sql::value::Value::from($value)),*] };
}

pub(in crate::store) use params;
