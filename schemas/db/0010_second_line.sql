-- The second line (SR-25). The owner of the tables, which the gateway is unless it was given another role, passes by; every
-- other role sees the rows of the tenant that its connection was opened for, or as the gateway itself says that it is one.
ALTER TABLE "tasks" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "tasks_of_tenant" ON "tasks" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
ALTER TABLE "task_events" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "task_events_of_tenant" ON "task_events" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
ALTER TABLE "submissions" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "submissions_of_tenant" ON "submissions" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
ALTER TABLE "deliveries" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "deliveries_of_tenant" ON "deliveries" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
ALTER TABLE "attempts" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "attempts_of_tenant" ON "attempts" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
ALTER TABLE "push_configs" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "push_configs_of_tenant" ON "push_configs" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
ALTER TABLE "agents" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "agents_of_tenant" ON "agents" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
ALTER TABLE "lanes" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "lanes_of_tenant" ON "lanes" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
ALTER TABLE "api_keys" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "api_keys_of_tenant" ON "api_keys" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
ALTER TABLE "audit" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "audit_of_tenant" ON "audit" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
ALTER TABLE "audit_heads" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "audit_heads_of_tenant" ON "audit_heads" USING ("tenant" = current_setting('app.tenant', true) OR current_setting('app.role', true) = 'gateway');--> statement-breakpoint
-- Append-only (SR-82): whoever may write may add, and nothing else.
CREATE FUNCTION "audit_is_append_only"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'GW002';
END
$$;--> statement-breakpoint
CREATE TRIGGER "audit_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit" FOR EACH STATEMENT EXECUTE FUNCTION "audit_is_append_only"();
