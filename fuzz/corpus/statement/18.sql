SELECT E'\'', $$x$$, 0x1F, X'00', 'it''s' -- c
/* d */