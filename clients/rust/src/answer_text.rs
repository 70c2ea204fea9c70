//! Collects the text of a turn: all that was streamed without what was retracted.

use crate::v1::{Retracted, TextDelta};

#[derive(Debug, Default)]
pub(crate) struct AnswerText {
    /// In the order in which they came.
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    message_index: i32,
    block_index: i32,
    text: String,
}

impl AnswerText {
    pub(crate) fn add(&mut self, delta: &TextDelta) {
        let &TextDelta {
            message_index,
            block_index,
            ref text,
        } = delta;
        match self.blocks.last_mut() {
            Some(last) if (last.message_index, last.block_index) == (message_index, block_index) => {
                last.text.push_str(text);
            }
            _ => self.blocks.push(Block {
                message_index,
                block_index,
                text: text.clone(),
            }),
        }
    }

    pub(crate) fn retract(&mut self, retracted: &Retracted) {
        self.blocks.retain(|block| {
            block.message_index != retracted.message_index || block.block_index < retracted.from_block_index
        });
    }

    pub(crate) fn whole(&self) -> String {
        self.blocks.iter().map(|block| block.text.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(message_index: i32, block_index: i32, text: &str) -> TextDelta {
        TextDelta {
            text: text.to_owned(),
            block_index,
            message_index,
        }
    }

    fn retracted(message_index: i32, from_block_index: i32) -> Retracted {
        Retracted {
            message_index,
            from_block_index,
            ..Retracted::default()
        }
    }

    #[test]
    fn what_is_retracted_goes_from_its_block_on_and_what_follows_takes_its_place() {
        let mut text = AnswerText::default();
        text.add(&delta(0, 0, "zero "));
        for piece in [
            delta(1, 0, "on"),
            delta(1, 0, "e "),
            delta(1, 1, "vo"),
            delta(1, 1, "id "),
            delta(1, 2, "void "),
        ] {
            text.add(&piece);
        }
        text.retract(&retracted(1, 1));
        assert_eq!(text.whole(), "zero one ");

        text.add(&delta(1, 1, "two "));
        text.add(&delta(2, 0, "three"));
        assert_eq!(text.whole(), "zero one two three");
    }

    #[test]
    fn other_messages_keep_their_text_when_one_is_retracted() {
        let mut text = AnswerText::default();
        for piece in [delta(0, 3, "a"), delta(1, 3, "b"), delta(2, 3, "c")] {
            text.add(&piece);
        }
        text.retract(&retracted(1, 0));
        assert_eq!(text.whole(), "ac");
        text.retract(&retracted(7, 0));
        assert_eq!(text.whole(), "ac");
    }
}
