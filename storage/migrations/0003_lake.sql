-- What a store that many write to needs: the state that a training set was chosen from, and who works on what.

ALTER TABLE training_sets ADD COLUMN snapshot BIGINT;

-- One row a question set and draw that somebody works on, and one that everybody updates who takes a lease.
CREATE TABLE leases (
    question_set VARCHAR NOT NULL,
    draw BIGINT NOT NULL,
    owner VARCHAR NOT NULL,
    renewed_at TIMESTAMP NOT NULL
);

INSERT INTO leases VALUES ('', 0, '(everybody)', TIMESTAMP '2026-01-01');
