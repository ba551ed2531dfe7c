CREATE TABLE "contacts" (
	"tenant" text NOT NULL,
	"agent" text NOT NULL,
	"contact" text NOT NULL,
	"state" smallint NOT NULL,
	"rights" text[] NOT NULL,
	"asked_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"decided_at" timestamp (3) with time zone,
	"decided_by" text,
	CONSTRAINT "contacts_tenant_agent_contact_pk" PRIMARY KEY("tenant","agent","contact")
);
--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "mail_kind" smallint;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "labels" text[];--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "dedupe_key" text;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "read_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "ack_by" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "reminded_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "worked_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "woken_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "wakes" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "wake_status" text;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "wake_due_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "home" smallint;--> statement-breakpoint
CREATE INDEX "deliveries_by_dedupe" ON "deliveries" USING btree ("tenant","destination","dedupe_key") WHERE state = 0 and dedupe_key is not null;--> statement-breakpoint
CREATE INDEX "deliveries_to_acknowledge" ON "deliveries" USING btree ("ack_by") WHERE state in (0, 1) and ack_by is not null;