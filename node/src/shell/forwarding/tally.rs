//! What validators say to a transaction that they do not take, and from how many the same is believed. One of them may
//! lie, or speak from a state that is long gone; of f + 1 that say the same one is honest. It asks nobody itself.

use althing_rpc::Progress;
use althing_rpc::api::{ApiError, ErrorCode};

use crate::shell::tracker::News;

/// After how long whoever met too few validators should come again, in milliseconds.
const AGAIN_MS: u64 = 1_000;

/// Why a transaction will not be executed, by a validator's word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// It is refused.
    Refused(ApiError),
    /// It was there, and its time ended.
    Expired,
    /// It was there, and will not be executed.
    Dropped(String),
}

/// What came of asking.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Enough validators say the same.
    Believed(Word),
    /// Nobody took it, and somebody may have it.
    Perhaps,
    /// Nobody took it; another time somebody may.
    Nobody(ApiError),
}

/// What was said so far. Each validator is asked once.
#[derive(Debug)]
pub(super) struct Tally {
    /// How many have to say the same: one more than may be faulty.
    needed: usize,
    /// The words by what programs compare, and how many said it.
    words: Vec<(Kind, usize, Word)>,
    /// Somebody cannot take it now.
    busy: Option<ApiError>,
    is_lost: bool,
}

type Kind = Option<ErrorCode>;

impl Word {
    /// What whoever submits is told.
    pub(super) fn into_answer(self) -> Result<Progress, ApiError> {
        match self {
            Self::Refused(error) => Err(error),
            Self::Expired => Ok(Progress::Expired),
            Self::Dropped(reason) => Ok(Progress::Dropped { reason }),
        }
    }

    /// What whoever waits is told; nothing as long as it may be taken another time.
    pub(super) fn into_news(self) -> Option<News> {
        match self {
            Self::Refused(error) if error.code == ErrorCode::TxExpired => Some(News::Expired),
            Self::Refused(error) if error.code.is_retryable() => None,
            Self::Refused(error) => Some(News::Dropped(error.message.into_owned())),
            Self::Expired => Some(News::Expired),
            Self::Dropped(reason) => Some(News::Dropped(reason)),
        }
    }

    /// What makes two words the same. That its time is over is the same before and after it was taken.
    const fn kind(&self) -> Kind {
        match self {
            Self::Refused(error) => Some(error.code),
            Self::Expired => Some(ErrorCode::TxExpired),
            Self::Dropped(_) => None,
        }
    }
}

impl Tally {
    /// Nothing was said yet, and so many validators may be faulty.
    pub(super) fn new(faulty_max: u16) -> Self {
        Self { needed: usize::from(faulty_max) + 1, words: Vec::new(), busy: None, is_lost: false }
    }

    /// A validator says that the transaction will not be executed.
    pub(super) fn says(&mut self, word: Word) {
        match self.words.iter_mut().find(|(kind, ..)| *kind == word.kind()) {
            Some((_, count, _)) => *count += 1,
            None => self.words.push((word.kind(), 1, word)),
        }
    }

    /// A validator cannot take it now.
    pub(super) fn is_busy(&mut self, error: ApiError) {
        self.busy = Some(error);
    }

    /// A validator may have it: the answer is lost, or not there in time.
    pub(super) const fn is_lost(&mut self) {
        self.is_lost = true;
    }

    /// What enough validators say.
    pub(super) fn believed(&self) -> Option<Word> {
        let believed = self.words.iter().find(|(_, count, _)| *count >= self.needed);
        believed.map(|(.., word)| word.clone())
    }

    /// What came of it, when nobody is left to be asked. Whoever may have it counts for more than those who refuse.
    pub(super) fn into_outcome(self) -> Outcome {
        if self.is_lost {
            return Outcome::Perhaps;
        }
        if let Some(word) = self.believed() {
            return Outcome::Believed(word);
        }
        let said = self.words.into_iter().next().map(|(.., word)| word);
        Outcome::Nobody(match (self.busy, said) {
            (Some(error), _) => error,
            (None, Some(word)) => doubted(&word, self.needed),
            (None, None) => {
                let message = "this observer is connected to no validator";
                ApiError::new(ErrorCode::NoValidator, message).retry_after_ms(AGAIN_MS)
            }
        })
    }
}

/// Too few say it: this node's own state, which took the transaction, may be the right one.
fn doubted(word: &Word, needed: usize) -> ApiError {
    let said = match word {
        Word::Refused(error) => error.message.as_ref(),
        Word::Expired => "its time is over",
        Word::Dropped(reason) => reason,
    };
    let message = format!("no validator took it, and fewer than {needed} say alike why not: {said}");
    ApiError::new(ErrorCode::NoValidator, message).retry_after_ms(AGAIN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: ErrorCode) -> Word {
        Word::Refused(ApiError::new(code, "no"))
    }

    /// The outcome among four, of whom one may be faulty.
    fn outcome(words: &[Word]) -> Outcome {
        let mut tally = Tally::new(1);
        words.iter().for_each(|word| tally.says(word.clone()));
        tally.into_outcome()
    }

    #[test]
    fn one_of_four_is_not_believed_and_two_that_say_the_same_are() {
        let poor = refused(ErrorCode::TxInsufficientBalance);
        let Outcome::Nobody(error) = outcome(std::slice::from_ref(&poor)) else { panic!("one was believed") };
        assert_eq!((error.code, error.code.is_retryable()), (ErrorCode::NoValidator, true));
        let Outcome::Nobody(error) = outcome(&[poor.clone(), refused(ErrorCode::TxUnknownAsset)]) else {
            panic!("two that say different things were believed");
        };
        assert_eq!(error.code, ErrorCode::NoValidator);
        assert!(matches!(outcome(&[poor.clone(), poor.clone()]), Outcome::Believed(word) if word == poor));
        let mut alone = Tally::new(0);
        alone.says(poor.clone());
        assert_eq!(alone.believed(), Some(poor), "where nobody may be faulty one is enough");
    }

    #[test]
    fn that_its_time_is_over_is_the_same_before_and_after_it_was_taken() {
        let words = [Word::Expired, refused(ErrorCode::TxExpired)];
        assert!(matches!(outcome(&words), Outcome::Believed(Word::Expired)));
        let words = [Word::Dropped("a".to_owned()), Word::Dropped("b".to_owned())];
        assert!(matches!(outcome(&words), Outcome::Believed(Word::Dropped(_))));
    }

    #[test]
    fn one_that_may_have_it_or_take_it_later_counts_for_more_than_a_doubtful_refusal() {
        let mut tally = Tally::new(1);
        tally.says(refused(ErrorCode::TxInsufficientBalance));
        tally.is_busy(ApiError::new(ErrorCode::LaneBusy, "later"));
        assert!(matches!(tally.into_outcome(), Outcome::Nobody(error) if error.code == ErrorCode::LaneBusy));
        let mut tally = Tally::new(1);
        (0..2).for_each(|_| tally.says(refused(ErrorCode::TxInsufficientBalance)));
        tally.is_lost();
        assert!(tally.believed().is_some());
        assert!(matches!(tally.into_outcome(), Outcome::Perhaps));
        assert!(matches!(Tally::new(1).into_outcome(), Outcome::Nobody(error) if error.code == ErrorCode::NoValidator));
    }
}
