-- Questions that accept several answers: `answer` is the first of them, these are the others.

ALTER TABLE questions ADD COLUMN other_answers VARCHAR[];
