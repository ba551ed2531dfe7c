ALTER TABLE "agents" ADD COLUMN "identity" jsonb;--> statement-breakpoint
ALTER TABLE "agents" ADD COLUMN "pending" jsonb;--> statement-breakpoint
ALTER TABLE "agents" ADD COLUMN "card_problem" jsonb;