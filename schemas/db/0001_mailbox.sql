ALTER TABLE "deliveries" ADD COLUMN "worker" text;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "touched" boolean;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "checkpoint" text;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "receipt" text;