-- Whether a path's own text was cut at its length limit: a closing ends by itself, and hid that until now.

ALTER TABLE paths ADD COLUMN cut BOOLEAN;
