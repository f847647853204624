//! Ids of runs and sweeps: made, and found by how they begin.

use rusqlite::Connection;

use crate::blob::Digest;
use crate::time;

/// The time in UTC and four digits that tell what was made in one second apart, in a table whose rows have an `id`.
pub(crate) fn unused_id(connection: &Connection, table: &str, created: f64) -> rusqlite::Result<String> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let stamp = time::stamp(created as u64);
    let mut salt = 0_u32;
    loop {
        let seed = format!("{created} {} {salt}", std::process::id());
        let id = format!("{stamp}-{}", &Digest::of(seed.as_bytes()).as_str()[..4]);
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE id = ?1)");
        if !connection.query_row(&sql, [&id], |row| row.get::<_, bool>(0))? {
            return Ok(id);
        }
        salt += 1;
    }
}

/// What a text stands for.
pub(crate) enum Meant {
    One(String),
    None,
    /// Some of them.
    Several(Vec<String>),
}

/// The id itself, or the only one that begins with the text.
pub(crate) fn meant(ids: impl Iterator<Item = String>, text: &str) -> Meant {
    let mut matching: Vec<String> = ids.filter(|id| id.starts_with(text)).collect();
    if let Some(exact) = matching.iter().position(|id| id == text) {
        return Meant::One(matching.swap_remove(exact));
    }
    match matching.len() {
        1 if !text.is_empty() => Meant::One(matching.remove(0)),
        0 | 1 => Meant::None,
        _ => {
            matching.truncate(5);
            Meant::Several(matching)
        }
    }
}
