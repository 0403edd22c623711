//! An HTTP answer, read to its end, with the questions that tests ask.

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::deadline::soon;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Sends the request and reads the answer.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = soon("an answer's head", request.send()).await.expect("the server answers");
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = soon("an answer's body", response.text()).await.expect("the body is text");
        Self { status, headers, text }
    }

    /// The body, of an answer with this status.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// The body as it is, of an answer with this status.
    pub fn expect_text(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        self.text
    }

    /// Asserts that this is a problem (RFC 9457) with this status and this stable code; answers its body.
    pub fn expect_problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        body
    }

    /// The body as JSON; an empty one is null.
    pub fn json(&self) -> Value {
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("not JSON, {error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
