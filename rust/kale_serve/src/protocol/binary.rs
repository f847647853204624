//! The binary tensor extension: JSON, and behind it the tensors that it describes, end to end.
//!
//! The header `Inference-Header-Content-Length` has the length of the JSON; `binary_data_size`, a parameter of each
//! tensor, its own. All of these come from outside and may lie.

use bytes::Bytes;

use super::Refused;

pub const HEADER: &str = "inference-header-content-length";

/// JSON, and what follows it.
pub fn split(body: &Bytes, length: &str) -> Result<(Bytes, Bytes), Refused> {
    let digits = !length.is_empty() && length.len() <= 20 && length.bytes().all(|byte| byte.is_ascii_digit());
    let parsed: Option<usize> = if digits { length.parse().ok() } else { None };
    match parsed {
        Some(length) if length <= body.len() => Ok((body.slice(..length), body.slice(length..))),
        Some(length) => {
            Err(Refused(format!("`{HEADER}` says that the JSON has {length} bytes, and the body has {}", body.len())))
        }
        None => Err(Refused(format!("`{HEADER}` has to be a number of bytes, not `{}`", super::shown(length)))),
    }
}

/// Hands out the tensors behind the JSON, one after the other.
pub struct Parts {
    rest: Bytes,
}

impl Parts {
    pub fn new(rest: Bytes) -> Parts {
        Parts { rest }
    }

    pub fn take(&mut self, name: &str, size: &serde_json::Value) -> Result<Bytes, Refused> {
        let name = super::shown(name);
        let size = size.as_u64().and_then(|size| usize::try_from(size).ok()).ok_or_else(|| {
            Refused(format!("`binary_data_size` of input `{name}` has to be a number of bytes, not `{size}`"))
        })?;
        if size > self.rest.len() {
            let left = self.rest.len();
            return Err(Refused(format!("input `{name}` is to have {size} bytes, and {left} are left in the body")));
        }
        Ok(self.rest.split_to(size))
    }

    /// What nobody has asked for was not meant for us, or the sizes are wrong.
    pub fn end(self) -> Result<(), Refused> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(Refused(format!("{left} bytes at the end of the body belong to no input"))),
        }
    }
}

/// How many elements there are, each with its length before it.
pub fn count_texts(data: &[u8]) -> Result<usize, String> {
    let (mut rest, mut count) = (data, 0);
    while !rest.is_empty() {
        let Some((length, behind)) = rest.split_first_chunk::<4>() else {
            return Err(format!("element {count} ends within its length"));
        };
        let length = u32::from_le_bytes(*length) as usize;
        let Some(behind) = behind.get(length..) else {
            return Err(format!("element {count} is to have {length} bytes, and {} are left", behind.len()));
        };
        (rest, count) = (behind, count + 1);
    }
    Ok(count)
}
