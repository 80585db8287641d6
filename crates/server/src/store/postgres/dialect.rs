//! The statements that both backends share, as Postgres takes them.

/// What stands around the text that is for Postgres alone.
const OPEN: &str = "/*pg";
const CLOSE: &str = "*/";
/// SQLite is told by name which index to walk along; Postgres finds it.
const INDEXED_BY: &str = "INDEXED BY ";

/// Integers that stand in one text, `[1,2]`, each in a row's `value`.
const NUMBERS: &str = "json_each(?1)";
const NUMBERS_HERE: &str =
    "(SELECT CAST(value AS bigint) AS value FROM json_array_elements_text(CAST(?1 AS json)) AS e (value))";
/// The same for texts, `["a","b"]`, which are always the second parameter.
const TEXTS: &str = "json_each(?2)";
const TEXTS_HERE: &str = "(SELECT value FROM json_array_elements_text(CAST(?2 AS json)) AS e (value))";

/// A statement for Postgres.
pub(super) fn translate(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(INDEXED_BY) {
        text.push_str(&rest[..at]);
        let name = &rest[at + INDEXED_BY.len()..];
        rest = name.find(' ').map_or("", |end| &name[end..]);
    }
    text.push_str(rest);
    // SQLite keeps to the order of a cross join; Postgres has no condition for one.
    let text = text.replace("CROSS JOIN", "JOIN").replace(OPEN, "").replace(CLOSE, "");
    let text = text.replace(NUMBERS, NUMBERS_HERE).replace(TEXTS, TEXTS_HERE);
    // No statement has a question mark in a text.
    text.replace('?', "$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_translated() {
        let shared = "SELECT a FROM t CROSS JOIN u ON u.t = t.id WHERE a = ?1 AND b < ?12 LIMIT ?2 /*pg FOR UPDATE */";
        let own = "SELECT a FROM t JOIN u ON u.t = t.id WHERE a = $1 AND b < $12 LIMIT $2  FOR UPDATE ";
        assert_eq!(translate(shared), own);
        assert_eq!(translate("SELECT a FROM t INDEXED BY t_by_a WHERE a = ?1"), "SELECT a FROM t  WHERE a = $1");
        let texts = "(SELECT value FROM json_array_elements_text(CAST($2 AS json)) AS e (value))";
        assert_eq!(translate("SELECT value FROM json_each(?2) k"), format!("SELECT value FROM {texts} k"));
        assert_eq!(translate("SELECT 0 /*pg + leased_until */ FROM t"), "SELECT 0  + leased_until  FROM t");
    }
}
