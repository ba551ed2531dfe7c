CREATE TABLE "webhook_hosts" (
	"host" text PRIMARY KEY NOT NULL,
	"challenged_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "webhook_proofs" (
	"tenant" text NOT NULL,
	"place" text NOT NULL,
	"host" text NOT NULL,
	"challenged_at" timestamp (3) with time zone,
	"proved_until" timestamp (3) with time zone,
	"how" text,
	CONSTRAINT "webhook_proofs_tenant_place_pk" PRIMARY KEY("tenant","place")
);
--> statement-breakpoint
CREATE INDEX "webhook_proofs_by_host" ON "webhook_proofs" USING btree ("host") WHERE proved_until is not null;