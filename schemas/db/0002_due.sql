ALTER TABLE "deliveries" ALTER COLUMN "due_at" SET DATA TYPE timestamp with time zone;--> statement-breakpoint
ALTER TABLE "deliveries" ALTER COLUMN "due_at" SET DEFAULT now();