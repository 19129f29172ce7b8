//! The complaints page of the app: it keeps the state of the conversation and sends it along with each message.

use serde_json::{Value, json};

use super::{Answer, Phone};

/// What the page sends with the first message.
pub fn silence() -> Value {
    json!({"refund_phase": "none", "wrong_drink_phase": "none", "order_num": "none", "drink_nums": "none"})
}

impl Phone {
    /// One message (call 33), with the state of the last answer; whatever comes back.
    pub async fn try_say(&self, state: &Value, message: &str) -> Answer {
        let body = json!({"message": message, "refund_phase": state["refund_phase"],
            "wrong_drink_phase": state["wrong_drink_phase"], "order_num": state["order_num"],
            "drink_nums": state["drink_nums"]});
        self.post("/backend/chatbot/", body).await
    }

    /// The same, with an answer that the page can show.
    ///
    /// # Panics
    /// It is none.
    pub async fn say(&self, state: &Value, message: &str) -> Value {
        let answer = self.try_say(state, message).await.expect(200);
        for key in ["responses", "refund_phase", "wrong_drink_phase", "order_num", "drink_nums"] {
            assert!(!answer[key].is_null(), "{key}: {answer}");
        }
        answer
    }

    /// From the complaint to the question whether the money shall come back, and yes to it. Answers with the last state,
    /// or with what was not 200.
    ///
    /// # Errors
    /// The answer that is none.
    pub async fn ask_for_refund(&self, order: &Value) -> Result<Value, Answer> {
        let mut state = silence();
        for message in ["My drink was made wrong", "refund", &order.to_string(), "yes"] {
            let answer = self.try_say(&state, message).await;
            if answer.status != 200 {
                return Err(answer);
            }
            state = answer.json;
        }
        Ok(state)
    }
}
