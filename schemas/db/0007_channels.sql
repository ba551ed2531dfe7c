CREATE TABLE "channel_members" (
	"tenant" text NOT NULL,
	"channel" text NOT NULL,
	"member" text NOT NULL,
	"agent" boolean DEFAULT true NOT NULL,
	"filter" text,
	"joined_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"joined_seq" integer NOT NULL,
	"by" text NOT NULL,
	CONSTRAINT "channel_members_tenant_channel_member_pk" PRIMARY KEY("tenant","channel","member")
);
--> statement-breakpoint
CREATE TABLE "channel_posts" (
	"tenant" text NOT NULL,
	"channel" text NOT NULL,
	"seq" integer NOT NULL,
	"task_id" uuid NOT NULL,
	"caller" text NOT NULL,
	"sender" text NOT NULL,
	"verified" boolean NOT NULL,
	"recipients" integer NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "channel_posts_tenant_channel_seq_pk" PRIMARY KEY("tenant","channel","seq")
);
--> statement-breakpoint
CREATE TABLE "channels" (
	"tenant" text NOT NULL,
	"name" text NOT NULL,
	"kind" text DEFAULT 'channel' NOT NULL,
	"owner" text NOT NULL,
	"title" text,
	"description" text,
	"mode" text NOT NULL,
	"rule" text NOT NULL,
	"needed" integer DEFAULT 0 NOT NULL,
	"collect_seconds" integer,
	"posting" text NOT NULL,
	"joining" text NOT NULL,
	"visibility" text NOT NULL,
	"last_seq" integer DEFAULT 0 NOT NULL,
	"cleared_seq" integer DEFAULT 0 NOT NULL,
	"roster" integer DEFAULT 0 NOT NULL,
	"bytes" bigint DEFAULT 0 NOT NULL,
	"bytes_max" bigint,
	"opened_from" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"modified_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	CONSTRAINT "channels_tenant_name_pk" PRIMARY KEY("tenant","name")
);
--> statement-breakpoint
CREATE TABLE "parents" (
	"tenant" text NOT NULL,
	"task_id" uuid NOT NULL,
	"rule" text NOT NULL,
	"needed" integer NOT NULL,
	"channel" text,
	CONSTRAINT "parents_tenant_task_id_pk" PRIMARY KEY("tenant","task_id")
);
--> statement-breakpoint
CREATE TABLE "task_children" (
	"tenant" text NOT NULL,
	"parent_id" uuid NOT NULL,
	"child_id" uuid NOT NULL,
	"member" text NOT NULL,
	"outcome" text,
	"settled_at" timestamp (3) with time zone,
	"relayed_seq" integer DEFAULT 1 NOT NULL,
	CONSTRAINT "task_children_tenant_parent_id_child_id_pk" PRIMARY KEY("tenant","parent_id","child_id")
);
--> statement-breakpoint
DROP INDEX "tasks_by_context";--> statement-breakpoint
CREATE INDEX "channel_members_by_member" ON "channel_members" USING btree ("tenant","member");--> statement-breakpoint
CREATE INDEX "channel_posts_by_task" ON "channel_posts" USING btree ("tenant","task_id");--> statement-breakpoint
CREATE INDEX "channels_expiring" ON "channels" USING btree ("expires_at") WHERE expires_at is not null;--> statement-breakpoint
CREATE INDEX "channels_opened_from" ON "channels" USING btree ("opened_from") WHERE opened_from is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "task_children_by_child" ON "task_children" USING btree ("tenant","child_id");--> statement-breakpoint
CREATE INDEX "task_children_open" ON "task_children" USING btree ("tenant","parent_id","child_id") WHERE outcome is null;--> statement-breakpoint
CREATE INDEX "tasks_in_context" ON "tasks" USING btree ("tenant","context_id","caller","agent");