//! A list that mostly has one item, or none.

/// Items in the order in which they were added; one alone, or none, owns no memory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) enum Few<T> {
    #[default]
    None,
    One(T),
    #[expect(clippy::box_collection, reason = "rarely there, so it costs the others one pointer")]
    Many(Box<Vec<T>>),
}

impl<T> Few<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Self::None => &mut [],
            Self::One(item) => std::slice::from_mut(item),
            Self::Many(items) => items,
        }
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.as_slice().iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn push(&mut self, item: T) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(item),
            Self::One(first) => Self::Many(Box::new(vec![first, item])),
            Self::Many(mut items) => {
                items.push(item);
                Self::Many(items)
            }
        };
    }

    /// Keeps what is wanted.
    pub(crate) fn retain(&mut self, mut is_wanted: impl FnMut(&T) -> bool) {
        match self {
            Self::None => {}
            Self::One(item) => {
                if !is_wanted(item) {
                    *self = Self::None;
                }
            }
            Self::Many(items) => {
                items.retain(is_wanted);
                match items.len() {
                    0 => *self = Self::None,
                    1 => *self = items.pop().map_or(Self::None, Self::One),
                    // A list that was long once need not keep its room for ever.
                    few if items.capacity() > 64 && few < items.capacity() / 4 => items.shrink_to(few * 2),
                    _ => {}
                }
            }
        }
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Self::None => (None, Vec::new()),
            Self::One(item) => (Some(item), Vec::new()),
            Self::Many(items) => (None, *items),
        };
        one.into_iter().chain(many)
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list_whatever_its_length() {
        let mut few = Few::default();
        let mut list = Vec::new();
        for round in 0..200_u32 {
            // Grows and shrinks, with every length from 0 to 20 in between.
            if round % 40 < 20 {
                few.push(round);
                list.push(round);
            } else {
                let gone = list[(round as usize * 7) % list.len()];
                few.retain(|item| *item != gone);
                list.retain(|item| *item != gone);
            }
            assert_eq!(few.as_slice(), list);
            assert_eq!((few.len(), few.is_empty()), (list.len(), list.is_empty()));
            assert_eq!(few.clone().into_iter().collect::<Vec<_>>(), list);
            assert_eq!(matches!(few, Few::Many(_)), list.len() > 1);
        }
    }

    #[test]
    fn a_list_of_slots_is_two_words() {
        assert_eq!(size_of::<Few<u32>>(), 16);
    }
}
