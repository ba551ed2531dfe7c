/** Tenants that have tasks. */

/** A query that gives them, as `tenant`: one look into the primary key's index for each, however many tasks there are. */
export const TENANTS = `with recursive t as (
  (select tenant from tasks order by tenant limit 1)
  union all
  select (select x.tenant from tasks x where x.tenant > t.tenant order by x.tenant limit 1) from t where t.tenant is not null
) select tenant from t where tenant is not null`
