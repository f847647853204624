//! What the pods of a run wrote.

use serde_json::Value;

use super::segment;
use crate::client::Client;
use crate::error::{Kind, KubeflowError};
use crate::request::Request;

impl Client {
    /// What a pod has written so far: that of the pod while it is there, then what was archived. There is no following
    /// (the server never reads `follow`), so whoever follows asks again and skips what is known.
    pub fn log(&self, run_id: &str, pod: &str) -> Result<String, KubeflowError> {
        let path = format!("/apis/v1alpha1/runs/{}/nodes/{}/log", segment(run_id), segment(pod));
        let request = Request::get(path, format!("read the log of `{pod}`"));
        // It may be long, and is mostly text: then it is not copied.
        let mut text = String::from_utf8(self.connection.ask_for_bytes(&request)?)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        match failure_at_end(&text) {
            None => Ok(text),
            Some((0, reason)) => Err(KubeflowError::new(
                Kind::NotFound,
                format!("there is no log of `{pod}`: {reason}"),
                "the pod may not have started yet, or be gone without its log having been archived",
            )),
            Some((start, _)) => {
                text.truncate(start);
                Ok(text)
            }
        }
    }
}

/// A server says that it succeeded before it fails: then its error is the end of the text.
fn failure_at_end(text: &str) -> Option<(usize, String)> {
    let start = text.rfind("{\"error_message\"")?;
    let value: Value = serde_json::from_str(text[start..].trim_end()).ok()?;
    let reason = value.get("error_message")?.as_str()?;
    Some((start, reason.lines().next().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_behind_a_success_is_seen() {
        let error = "{\"error_message\":\"no pod\\nstack\",\"error_details\":\"x\"}";
        assert_eq!(failure_at_end(error), Some((0, "no pod".to_owned())));
        assert_eq!(failure_at_end(&format!("epoch 1\n{error}\n")), Some((8, "no pod".to_owned())));
        assert_eq!(failure_at_end("epoch 1\n{\"error_message\" is in the middle}\n"), None);
    }
}
