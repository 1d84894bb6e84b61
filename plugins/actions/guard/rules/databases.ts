/** Databases: statements that take all of something, in whichever way they come to the client. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { DOWNLOAD, DUMP, HOLE, isOpaque, NAME, SECRET, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { contentOf } from './files.ts';
import { isSecretPath } from './paths.ts';

/** Options that hold statements, by client. */
const STATEMENT_OPTIONS = ['c', 'e', 'execute', 'command', 'query', 'q', 'Q', 'eval', 'sql'];
const OTHER_OPTIONS = 'U h p d P H u f D n o B T file username host port dbname user database password'.split(' ');

const client: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: [...STATEMENT_OPTIONS, ...OTHER_OPTIONS] });
  const texts = args.all.filter(([name]) => STATEMENT_OPTIONS.includes(name)).map(([, text]) => text);
  for (const file of args.all.filter(([name]) => name === 'f' || name === 'file').map(([, value]) => value))
    texts.push(contentOf(absolute(file, from.scope), from.scope));
  if (/^(sqlite3?|duckdb|mongosh?|clickhouse(-client)?)$/.test(from.name))
    texts.push(...args.operands.slice(from.name.startsWith('mongo') ? 0 : 1));
  if (from.stdin !== '') texts.push(from.stdin);
  for (const text of texts) inspectStatements(text, from, host);
  return args.operands.some((operand) => isSecretPath(absolute(operand, from.scope))) ? SECRET : HOLE;
};

export function inspectStatements(text: string, from: Invocation, host: Host): void {
  if (text.includes(DOWNLOAD)) host.find('HIGH', 'database', `${from.name} runs statements that come over the network`);
  const plain = text.replaceAll(/--[^\n]*|\/\*[^]*?\*\//g, ' ').replaceAll(/'(?:[^']|'')*'/g, "''");
  const bare = from.name.startsWith('mongo') ? plain.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""') : plain;
  for (const statement of bare.split(/;|\\g\b/)) {
    const found = STATEMENTS.find(([pattern]) => pattern.test(statement));
    if (found) host.find('HIGH', 'database', `${found[1]}: ${shown(statement.trim())}`);
    else if (
      /^\s*(delete\s+from|update\s+\S+\s+set)\b/i.test(statement) &&
      !/\bwhere\b/i.test(statement) &&
      !/\blimit\b/i.test(statement)
    )
      host.find('HIGH', 'database', `changes every row: ${shown(statement.trim())}`);
    else if (/^\s*delete\s+from\b.*\bwhere\s+(1\s*=\s*1|true|''\s*=\s*'')/is.test(statement))
      host.find('HIGH', 'database', `changes every row: ${shown(statement.trim())}`);
  }
  for (const [, command = ''] of text.matchAll(
    /(?:^|\n)\s*\\!\s*([^\n]*)|COPY\s[^;]*(?:FROM|TO)\s+PROGRAM\s+'([^']*)'/gi,
  ))
    if (command !== '') host.runText(command, from);
  for (const [, program = ''] of text.matchAll(/(?:FROM|TO)\s+PROGRAM\s+'([^']*)'/gi)) {
    host.find('HIGH', 'database', `a statement starts ${shown(program)}`);
    host.runText(program, from);
  }
  for (const [, command = ''] of text.matchAll(/(?:^|\n)\s*\.(?:shell|system)\s+([^\n]*)/g)) {
    host.find('HIGH', 'database', `a statement starts ${shown(command)}`);
    host.runText(command, from);
  }
}

const STATEMENTS: readonly (readonly [RegExp, string])[] = [
  [/^\s*drop\s+\w+/i, 'drops'],
  [
    /\bdrop\s+(database|schema|table|keyspace|tablespace|user|role|owned|view|index|materialized|column|type|function|trigger|extension|policy|publication|sequence|domain)\b/i,
    'drops',
  ],
  [/\btruncate\b/i, 'empties a table'],
  [
    /\balter\s+(user|role|system)\b|\bgrant\s+all\b|\bgrant\b.*\b(superuser|with\s+grant|dba)\b|\bcreate\s+(user|role)\b.*\bsuperuser\b|set\s+password/i,
    'changes who may do what',
  ],
  [/\balter\s+table\b.*\b(drop|discard)\b|\bdetach\s+partition\b|drop\s+partition/i, 'drops a part of a table'],
  [
    /\b(pg_terminate_backend|shutdown\s+(immediate|abort)|reset\s+master|purge\s+binary|flush\s+(logs|tables)|xp_cmdshell|lo_import|load_file|into\s+(out|dump)file)\b/i,
    'does more than read and write rows',
  ],
  [
    /\b(dropDatabase|drop)\s*\(\s*\)|\.(deleteMany|remove)\s*\(\s*(\{\s*\})?\s*\)|dropUser|dropAllUsers|shutdownServer/,
    'deletes all of it',
  ],
];

const redis: Handler = (from, host) => {
  const args = parseOptions(from.args, {
    valued: ['h', 'p', 'a', 'n', 'u', 's', 'r', 'i', 'x', 'cacert', 'cert', 'key', 'user', 'pass', 'eval', 'pattern'],
  });
  const text = [args.operands.join(' '), from.stdin].join('\n');
  if (
    /(^|\n)\s*(flushall|flushdb|shutdown|debug\s+(segfault|sleep)|swapdb|replicaof|slaveof|module\s+load|acl\s+(setuser|deluser)|script\s+flush|config\s+(set|rewrite)|failover|cluster\s+(reset|forget|failover))\b/i.test(
      text,
    )
  )
    host.find('HIGH', 'database', `takes all of it: ${from.name} ${shown(args.operands.join(' '))}`);
  if (/flushall|flushdb/i.test(args.all.map(([, value]) => value).join(' ')) || /^eval\b.*flush/i.test(text))
    host.find('HIGH', 'database', `takes all of it: ${from.name}`);
  if (/^(del|unlink)\b/i.test(text) && (text.includes(HOLE) || /\*/.test(text)))
    host.find('HIGH', 'database', 'deletes keys that a pattern gives');
  return HOLE;
};

const DESTRUCTIVE_TASKS =
  /\b(db:(drop|reset|purge|schema:load|migrate:reset|migrate:fresh|wipe|fresh|setup:force)|migrate:(fresh|reset|rollback|refresh)|db:wipe|database:(drop|delete)|doctrine:(database:drop|schema:drop)|migrate reset|db push .*--(force-reset|accept-data-loss)|schema:drop|flush\b.*--no-?input|reset_db|sqlflush|migrate \S+ zero|drop-database|db drop|database drop|dropdb|ecto\.(drop|reset))/;

const tasks: Handler = ({ name, args }, host) => {
  const text = args.join(' ');
  if (DESTRUCTIVE_TASKS.test(text) && !/--env[= ]test/.test(text))
    host.find('HIGH', 'database', `deletes all of a database: ${name} ${shown(text)}`);
  return undefined;
};

/** Whether a task runner's arguments delete a database. */
export function runsDestructiveTask(args: readonly string[]): boolean {
  return DESTRUCTIVE_TASKS.test(args.join(' '));
}

const administer: Handler = ({ name, args }, host) => {
  const text = args.join(' ');
  if (args.some((arg) => arg === '--help' || arg === '--version')) return NAME;
  if (name === 'dropdb' && /(^|\s)(test_\w+|\w+_(test|tmp|scratch))$/.test(text)) return NAME;
  if (name === 'mysqladmin' && !/\b(drop|shutdown|password|flush-\w+|kill|create user)\b/.test(text)) return NAME;
  if (/^(pg_restore|mongorestore|mysqlimport)$/.test(name) && !/(-c\b|--clean|--drop|--delete)/.test(text)) return NAME;
  if (/^(pg_ctl|pg_ctlcluster)$/.test(name) && !/\bstop\b/.test(text)) return NAME;
  host.find(
    'HIGH',
    'database',
    `${isOpaque(text) ? 'changes' : 'deletes or changes'} a database: ${name} ${shown(text)}`,
  );
  return NAME;
};

/** All of a database, in a text: secret when it is sent. */
const dump: Handler = ({ args }) =>
  args.some((arg) => /^(-s|--schema-only|--no-data|--help|--version)$/.test(arg)) ? HOLE : DUMP;

export const databases: Handlers = {
  ...named('pg_dump pg_dumpall mysqldump mariadb-dump mongodump mongoexport', dump),
  ...named(
    'psql mysql mariadb sqlite3 sqlite sqlcmd mongosh mongo cqlsh duckdb clickhouse clickhouse-client cockroach snowsql influx sqlplus isql mssql-cli pgcli mycli osql',
    client,
  ),
  ...named('redis-cli valkey-cli keydb-cli', redis),
  ...named(
    'rails rake prisma sequelize typeorm knex artisan diesel sqlx flyway liquibase alembic drizzle-kit django-admin mix hasura supabase',
    tasks,
  ),
  ...named(
    'dropdb dropuser createuser mysqladmin pg_restore mongorestore mysqlimport pg_resetwal pg_ctl pg_ctlcluster',
    administer,
  ),
};
