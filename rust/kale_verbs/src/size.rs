//! Sizes as users write them.

use kale_model::resources::bytes;

use crate::error::VerbError;

/// `500MB`, `2GiB`, or a number of bytes.
pub fn size(text: &str) -> Result<u64, VerbError> {
    bytes(text).ok_or_else(|| VerbError::usage(format!("`{text}` is no size"), "write, for example, `500MB` or `2GiB`"))
}
