/** Starting and running the gateway. */
import { type Page, page } from './page.ts'

export const RUNNING = {
  WAYPOST_ERR_CONFIG: page(
    'a setting has a value that cannot be used, or two settings contradict each other',
    'the gateway does not start',
    'correct the settings that the message names; flags beat environment beats waypost.config.json',
    'waypost config show',
  ),
  WAYPOST_ERR_START: page(
    'the gateway could not start, for a reason that has no name of its own',
    'nothing runs',
    'read the message; see what else is not as it should be',
    'waypost doctor',
  ),
  WAYPOST_ERR_USAGE: page(
    'the gateway was started with a flag that it does not know',
    'nothing runs',
    'see the flags',
    'waypost help serve',
  ),
  WAYPOST_ERR_FAILPOINT: page(
    'a failpoint of WAYPOST_FAILPOINTS was reached, which made something fail on purpose',
    'whatever the test wanted to see; nobody sets this but tests',
    'unset WAYPOST_FAILPOINTS and start again',
    'waypost config show',
  ),
  WAYPOST_ERR_NODE_VERSION: page(
    'this Node is older than 20.19',
    'nothing is installed or started',
    'install a supported Node, best 24 LTS',
    'nvm install 24 && npm start',
  ),
  WAYPOST_ERR_BOOTSTRAP: page(
    'installing dependencies or building failed',
    'nothing is started',
    'read the lines above the error; run the failed step by hand',
    'npm ci && npm run build',
  ),
  WAYPOST_ERR_LINKED_MODULES: page(
    'node_modules is a symbolic link, and the packages it leads to are not those of this package-lock.json',
    'nothing is installed: installing begins by emptying the folder, which is another checkout’s',
    'remove the link and start again, or install where it leads to',
    'rm node_modules && npm start',
  ),
  WAYPOST_ERR_DATA_LOCKED: page(
    'another gateway uses the same data directory',
    'this one does not start: two on one embedded database would lose tasks',
    'stop the other, choose another directory, or use PostgreSQL for several replicas',
    'WAYPOST_DATA=./other waypost serve',
  ),
  WAYPOST_ERR_OPEN_BIND: page(
    'HOST is not a loopback address while WAYPOST_AUTH is off',
    'the gateway does not start: anybody on the network could send in your name',
    'require keys, or bind 127.0.0.1',
    'WAYPOST_AUTH=required HOST=0.0.0.0 waypost serve',
  ),
  WAYPOST_ERR_PORT_IN_USE: page(
    'another program listens on the port',
    'the gateway does not start; it never takes another port silently',
    'stop that program, or choose a port',
    'waypost serve --port 4380',
  ),
  WAYPOST_ERR_DB_UNREACHABLE: page(
    'the database at DATABASE_URL does not answer',
    'the gateway is not ready; running replicas answer 503 and take up again by themselves',
    'check address, password and network; the gateway keeps trying',
    'waypost doctor',
  ),
  WAYPOST_ERR_DB_VERSION: page(
    'the PostgreSQL server is older than what the statements need',
    'the gateway does not start',
    'upgrade the server; PostgreSQL 15 or newer is supported',
    'waypost doctor',
  ),
  WAYPOST_ERR_DATABASE_REFUSED: page(
    'the database is there, and will not have the gateway: a wrong user, password or database name, or a role that may not create tables',
    'the gateway does not start; for a database that is only away it would wait',
    'correct DATABASE_URL, or what its user may do',
    'waypost doctor',
  ),
  WAYPOST_ERR_SCHEMA_NEWER: page(
    'the database was migrated by a newer version of this program',
    'this version does not start: it would write what the newer one does not expect',
    'start the newer version, or restore a backup made before the upgrade',
    'waypost migrate status',
  ),
  WAYPOST_ERR_MIGRATION_FAILED: page(
    'a migration could not be applied, or its file was edited after it had been',
    'the gateway does not start; each file is applied whole or not at all',
    'read the database error; restore the released file',
    'waypost migrate up',
  ),
  WAYPOST_ERR_PG_DATADIR_MAJOR: page(
    'the embedded database was written by another PostgreSQL major version',
    'the gateway does not start',
    'start the version that wrote it, or begin with an empty directory',
    'WAYPOST_DATA=./fresh waypost serve',
  ),
  WAYPOST_ERR_KEY_MISSING: page(
    'WAYPOST_MASTER_KEY is not given although DATABASE_URL is',
    'the gateway does not start: stored credentials could not be read by every replica',
    'make one and give it to every replica',
    'export WAYPOST_MASTER_KEY=$(openssl rand -base64 32)',
  ),
  WAYPOST_ERR_ISSUER: page(
    'the keys of an issuer of WAYPOST_OIDC_ISSUERS cannot be read, so that nobody can say whether its tokens are good',
    'its callers are refused with 503; keys of the gateway work as ever',
    'is its address right, and may it be reached (WAYPOST_EGRESS_ALLOW)? the log says why',
    'waypost doctor',
  ),
  WAYPOST_ERR_SEAL: page(
    'a stored credential cannot be opened with this master key',
    'calls that need this credential fail; everything else goes on',
    'start with the WAYPOST_MASTER_KEY that it was stored with, or register the credential again',
    'waypost agent show <name>',
  ),
  WAYPOST_ERR_CLOCK_SKEW: page(
    'this machine and the database disagree about the time by more than a minute',
    'leases and order are safe, they use the database clock; receivers may reject webhook signatures',
    'enable time synchronisation',
    'waypost doctor',
  ),
  WAYPOST_ERR_STORE: page(
    'a statement failed or was not answered in time',
    'the operation was refused or its outcome is unknown; the message says which',
    'repeat it with the same messageId: what was done already is not done twice',
    'waypost status',
  ),
  WAYPOST_ERR_SHUTTING_DOWN: page(
    'the gateway is stopping',
    'no new requests are taken; work in hand is handed over, not failed',
    'repeat at another replica, or when it is back',
    'waypost healthcheck complete',
  ),
} as const satisfies Record<string, Page>
