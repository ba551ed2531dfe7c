CREATE TABLE "audit_heads" (
	"tenant" text PRIMARY KEY NOT NULL,
	"seq" bigint NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"prev" text NOT NULL,
	"hash" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "audit" ADD COLUMN "seq" bigint;--> statement-breakpoint
ALTER TABLE "audit" ADD COLUMN "prev" text;--> statement-breakpoint
ALTER TABLE "audit" ADD COLUMN "hash" text;--> statement-breakpoint
-- What is there already becomes the beginning of each chain, in the order of the ids, which is that of time.
DO $$
DECLARE
  note record;
  last_tenant text;
  last_seq bigint;
  last_hash text;
  form text;
BEGIN
  FOR note IN SELECT * FROM "audit" ORDER BY "tenant", "id" LOOP
    IF last_tenant IS DISTINCT FROM note.tenant THEN
      last_seq := 0;
      last_hash := repeat('0', 64);
    END IF;
    SELECT string_agg(octet_length(part) || ':' || part || ',', '' ORDER BY place) INTO form
    FROM unnest(ARRAY['waypost audit 1', last_hash, note.tenant, (last_seq + 1)::text, note.id::text,
      round(extract(epoch from note.at) * 1000)::bigint::text, note.actor, note.action, note.subject,
      coalesce(note.detail::text, '')]) WITH ORDINALITY AS parts (part, place);
    UPDATE "audit" SET "seq" = last_seq + 1, "prev" = last_hash, "hash" = encode(sha256(convert_to(form, 'UTF8')), 'hex')
    WHERE "tenant" = note.tenant AND "id" = note.id
    RETURNING "tenant", "seq", "hash" INTO last_tenant, last_seq, last_hash;
  END LOOP;
END $$;
--> statement-breakpoint
INSERT INTO "audit_heads" ("tenant", "seq", "at", "prev", "hash")
SELECT DISTINCT ON ("tenant") "tenant", "seq", "at", "prev", "hash" FROM "audit" ORDER BY "tenant", "seq" DESC;
--> statement-breakpoint
ALTER TABLE "audit" ALTER COLUMN "seq" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "audit" ALTER COLUMN "prev" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "audit" ALTER COLUMN "hash" SET NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "audit_in_chain" ON "audit" USING btree ("tenant","seq");
