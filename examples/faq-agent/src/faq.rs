//! The file of questions and answers, and which of them a message asks.
//!
//! The file is Markdown. Each heading of the second level is a question, what follows it is the answer; several headings
//! in a row are wordings of one question. All before the first of them is for whoever reads the file.
//!
//! A message asks a question if it has most of the words of one wording, where rare words count more than those that
//! many questions have. The order of words and what else is said do not matter, so "Hi! I bought a lamp on Monday, how
//! long will delivery take?" asks "How long does delivery take?".

use crate::words;

/// The share of a wording's weight that a message must have.
const ENOUGH: f64 = 0.6;

/// Questions with their answers.
#[derive(Debug)]
pub(crate) struct Faq {
    wordings: Vec<Wording>,
    answers: Vec<String>,
}

#[derive(Debug)]
struct Wording {
    question: String,
    words: Vec<String>,
    /// Of which answer.
    answer: usize,
}

/// Why a file is no FAQ.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FaqError {
    #[error("there are no questions: a question is a line that begins with `## `")]
    Empty,
    #[error("line {line}: the question has no words")]
    NoWords { line: usize },
    #[error("line {line}: the question has no answer")]
    NoAnswer { line: usize },
}

impl Faq {
    pub(crate) fn parse(text: &str) -> Result<Self, FaqError> {
        let mut faq = Self { wordings: Vec::new(), answers: Vec::new() };
        let mut asked_at = 0;
        let mut answer = String::new();
        for (line, number) in text.lines().zip(1..) {
            let Some(question) = line.strip_prefix("## ") else {
                answer.push_str(line);
                answer.push('\n');
                continue;
            };
            faq.close(&mut answer);
            let words = words::meaningful(question);
            if words.is_empty() {
                return Err(FaqError::NoWords { line: number });
            }
            asked_at = number;
            faq.wordings.push(Wording { question: question.trim().to_owned(), words, answer: faq.answers.len() });
        }
        faq.close(&mut answer);
        match faq.wordings.last() {
            None => Err(FaqError::Empty),
            Some(last) if last.answer == faq.answers.len() => Err(FaqError::NoAnswer { line: asked_at }),
            Some(_) => Ok(faq),
        }
    }

    /// Takes what was read since the last question as its answer, unless that is another wording of the same.
    fn close(&mut self, answer: &mut String) {
        let text = std::mem::take(answer).trim().to_owned();
        if !self.wordings.is_empty() && !text.is_empty() {
            self.answers.push(text);
        }
    }

    /// The answer to what a message asks; of several the one of which it has the most. None if it asks nothing known.
    pub(crate) fn find(&self, message: &str) -> Option<&str> {
        let said = words::meaningful(message);
        let is_said = |word: &&String| said.iter().any(|other| words::are_alike(word, other));
        let mut best: Option<(f64, &Wording)> = None;
        for wording in &self.wordings {
            let whole: f64 = wording.words.iter().map(|word| self.weight(word)).sum();
            let had: f64 = wording.words.iter().filter(is_said).map(|word| self.weight(word)).sum();
            // Of two the earlier one wins, as whoever wrote the file put them.
            if had >= ENOUGH * whole && best.is_none_or(|(most, _)| had * had / whole > most) {
                best = Some((had * had / whole, wording));
            }
        }
        best.and_then(|(_, wording)| self.answers.get(wording.answer)).map(String::as_str)
    }

    /// One wording of each question, for somebody who does not know what can be asked.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &str> {
        let first = |at: &usize| self.wordings.iter().find(|wording| wording.answer == *at);
        (0..self.answers.len()).filter_map(move |at| first(&at)).map(|wording| wording.question.as_str())
    }

    /// The rarer a word is among the questions, the more it says.
    fn weight(&self, word: &str) -> f64 {
        let has = |wording: &&Wording| wording.words.iter().any(|other| words::are_alike(word, other));
        let questions = self.answers.len();
        let mut with_it: Vec<usize> = self.wordings.iter().filter(has).map(|wording| wording.answer).collect();
        with_it.dedup();
        #[expect(clippy::cast_precision_loss, reason = "questions are few")]
        let rarity = questions as f64 / with_it.len().max(1) as f64;
        rarity.ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Our shop\n\nFor the team: keep answers short.\n\n## Hello\nHello! What would you like to know?\n\
        \n## How long does delivery take?\n## When will my order arrive?\n\nTwo to four days.\n\nAbroad it takes a week.\n\
        \n## What does delivery cost?\n\nNothing above 50 €.\n\n## How do I return something?\n## Can I get a refund?\nBy post, within 30 days.\n\
        \n## Do you ship to Switzerland?\nYes.\n";

    fn faq() -> Faq {
        Faq::parse(FILE).unwrap()
    }

    #[test]
    fn a_file_has_questions_wordings_and_answers() {
        let faq = faq();
        let questions: Vec<&str> = faq.questions().collect();
        assert_eq!(questions.len(), 5);
        assert_eq!(questions[1], "How long does delivery take?");
        assert_eq!(faq.answers[1], "Two to four days.\n\nAbroad it takes a week.");
    }

    #[test]
    fn files_that_are_none_are_refused_with_the_line() {
        for (text, error) in [
            ("", FaqError::Empty),
            ("# Title\ntext\n", FaqError::Empty),
            ("## Question?\n\n", FaqError::NoAnswer { line: 1 }),
            ("## A question?\nAn answer\n## Another?\n## One more?\n", FaqError::NoAnswer { line: 4 }),
            ("\n## ?!\nyes", FaqError::NoWords { line: 2 }),
        ] {
            assert_eq!(Faq::parse(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn a_question_is_found_however_it_is_put() {
        let faq = faq();
        for (message, answer) in [
            ("How long does delivery take?", "Two to four"),
            ("how long will the delivery take", "Two to four"),
            ("Hi! I bought a lamp on Monday and wonder how long delivery will take. Thank you", "Two to four"),
            ("when does my order arrive", "Two to four"),
            ("How much does delivery cost?", "Nothing above"),
            ("delivery costs??", "Nothing above"),
            ("what are the DELIVRY costs", "Nothing above"),
            ("I would like to return a chair", "By post"),
            ("refund please", "By post"),
            ("do you ship to switzerland", "Yes."),
            ("hello", "Hello!"),
            ("Hello! Can I get a refund?", "By post"),
        ] {
            assert!(
                faq.find(message).is_some_and(|found| found.starts_with(answer)),
                "{message}: {:?}",
                faq.find(message)
            );
        }
    }

    #[test]
    fn what_is_not_asked_is_not_answered() {
        let faq = faq();
        for message in ["", "?", "Is the red lamp in stock?", "my cat is ill", "cost", "how long", "who are you"] {
            assert_eq!(faq.find(message), None, "{message}");
        }
    }
}
