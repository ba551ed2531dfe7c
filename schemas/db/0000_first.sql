CREATE TABLE "agents" (
	"tenant" text NOT NULL,
	"name" text NOT NULL,
	"owner" text NOT NULL,
	"registration" jsonb NOT NULL,
	"credentials" text,
	"card" jsonb,
	"card_fetched_at" timestamp (3) with time zone,
	"modified_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"paused_at" timestamp (3) with time zone,
	"paused_reason" text,
	"provisioned" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "agents_tenant_name_pk" PRIMARY KEY("tenant","name")
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"caller" text NOT NULL,
	"kind" text DEFAULT 'key' NOT NULL,
	"label" text NOT NULL,
	"permits" text[] NOT NULL,
	"agents" text[],
	"hash" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"created_by" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"last_used_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "attempts" (
	"tenant" text NOT NULL,
	"delivery_id" uuid NOT NULL,
	"attempt" smallint NOT NULL,
	"task_id" uuid NOT NULL,
	"destination" text NOT NULL,
	"ended_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"duration_ms" integer NOT NULL,
	"outcome" text NOT NULL,
	"status" integer,
	"code" text,
	"reason" text,
	"lease" uuid NOT NULL,
	CONSTRAINT "attempts_tenant_delivery_id_lease_pk" PRIMARY KEY("tenant","delivery_id","lease")
);
--> statement-breakpoint
CREATE TABLE "audit" (
	"tenant" text NOT NULL,
	"id" uuid NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"subject" text NOT NULL,
	"detail" jsonb,
	CONSTRAINT "audit_tenant_id_pk" PRIMARY KEY("tenant","id")
);
--> statement-breakpoint
CREATE TABLE "deliveries" (
	"tenant" text NOT NULL,
	"id" uuid NOT NULL,
	"kind" text NOT NULL,
	"destination" text NOT NULL,
	"ordering_key" text NOT NULL,
	"position" bigint NOT NULL,
	"priority" smallint DEFAULT 2 NOT NULL,
	"task_id" uuid NOT NULL,
	"seq" integer NOT NULL,
	"config_id" text,
	"state" smallint NOT NULL,
	"due_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"attempt" smallint DEFAULT 0 NOT NULL,
	"lease" uuid,
	"owner" uuid,
	"leased_until" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"settled_at" timestamp (3) with time zone,
	"code" text,
	"reason" text,
	CONSTRAINT "deliveries_tenant_id_pk" PRIMARY KEY("tenant","id")
);
--> statement-breakpoint
CREATE TABLE "lanes" (
	"tenant" text NOT NULL,
	"destination" text NOT NULL,
	"closed_at" timestamp (3) with time zone,
	"reason" text,
	"failures" integer DEFAULT 0 NOT NULL,
	"probe_at" timestamp (3) with time zone,
	"seen_at" timestamp (3) with time zone,
	CONSTRAINT "lanes_tenant_destination_pk" PRIMARY KEY("tenant","destination")
);
--> statement-breakpoint
CREATE TABLE "push_configs" (
	"tenant" text NOT NULL,
	"task_id" uuid NOT NULL,
	"id" text NOT NULL,
	"url" text NOT NULL,
	"destination" text NOT NULL,
	"version" text NOT NULL,
	"token" text,
	"scheme" text,
	"credentials" text,
	"secret" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"disabled_at" timestamp (3) with time zone,
	"disabled_reason" text,
	CONSTRAINT "push_configs_tenant_task_id_id_pk" PRIMARY KEY("tenant","task_id","id")
);
--> statement-breakpoint
CREATE TABLE "replicas" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"until" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "secrets" (
	"name" text PRIMARY KEY NOT NULL,
	"sealed" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "submissions" (
	"tenant" text NOT NULL,
	"caller" text NOT NULL,
	"agent" text NOT NULL,
	"key" text NOT NULL,
	"task_id" uuid NOT NULL,
	"seq" integer NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "submissions_tenant_caller_agent_key_pk" PRIMARY KEY("tenant","caller","agent","key")
);
--> statement-breakpoint
CREATE TABLE "task_events" (
	"tenant" text NOT NULL,
	"task_id" uuid NOT NULL,
	"seq" integer NOT NULL,
	"kind" smallint NOT NULL,
	"body" text NOT NULL,
	"history" text,
	"request" text,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "task_events_tenant_task_id_seq_pk" PRIMARY KEY("tenant","task_id","seq")
);
--> statement-breakpoint
CREATE TABLE "tasks" (
	"tenant" text NOT NULL,
	"id" uuid NOT NULL,
	"agent" text NOT NULL,
	"caller" text NOT NULL,
	"context_id" text NOT NULL,
	"state" smallint NOT NULL,
	"last_seq" integer NOT NULL,
	"has_push" boolean DEFAULT false NOT NULL,
	"status_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deadline" timestamp (3) with time zone,
	"cancel_at" timestamp (3) with time zone,
	"upstream_task" text,
	"upstream_context" text,
	"trace" text,
	CONSTRAINT "tasks_tenant_id_pk" PRIMARY KEY("tenant","id")
);
--> statement-breakpoint
CREATE INDEX "api_keys_by_tenant" ON "api_keys" USING btree ("tenant","created_at");--> statement-breakpoint
CREATE INDEX "attempts_by_task" ON "attempts" USING btree ("tenant","task_id","ended_at");--> statement-breakpoint
CREATE INDEX "deliveries_due" ON "deliveries" USING btree ("tenant","destination","priority","due_at","id") WHERE state = 0;--> statement-breakpoint
CREATE INDEX "deliveries_in_order" ON "deliveries" USING btree ("tenant","destination","ordering_key","position","id") WHERE state = 0;--> statement-breakpoint
CREATE UNIQUE INDEX "deliveries_in_flight" ON "deliveries" USING btree ("tenant","destination","ordering_key") WHERE state = 1;--> statement-breakpoint
CREATE INDEX "deliveries_expiring" ON "deliveries" USING btree ("expires_at") WHERE state = 0 and expires_at is not null;--> statement-breakpoint
CREATE INDEX "deliveries_dead" ON "deliveries" USING btree ("tenant","settled_at") WHERE state in (3, 5);--> statement-breakpoint
CREATE INDEX "deliveries_by_task" ON "deliveries" USING btree ("tenant","task_id") WHERE id <> task_id;--> statement-breakpoint
CREATE INDEX "tasks_by_status" ON "tasks" USING btree ("tenant","caller","agent","status_at" DESC NULLS LAST,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "tasks_by_context" ON "tasks" USING btree ("tenant","caller","agent","context_id");--> statement-breakpoint
CREATE INDEX "tasks_by_deadline" ON "tasks" USING btree ("tenant","deadline") WHERE deadline is not null and state in (1, 2, 6, 8);--> statement-breakpoint
ALTER TABLE "tasks" SET (fillfactor = 70);
--> statement-breakpoint
ALTER TABLE "deliveries" SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
