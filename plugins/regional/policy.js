// Regional rows: a caller sees the rows of its own regions, by a column that the mount lends to policies and that agents
// need not see. Columns that say who somebody is are hidden from callers who are not of the team.
//
//   policy = "examples/regional"
//
//   [settings]
//   column   = "region"                     # shown or lent by the tables that are to be seen
//   personal = ["name", "email"]            # left out, unless the claim `team` says one of `teams`
//   teams    = ["support"]
//
// The caller's claim `regions` is a list of texts.

const settingsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    column: { type: 'string', default: 'region' },
    personal: { type: 'array', items: { type: 'string' }, default: [] },
    teams: { type: 'array', items: { type: 'string' }, default: [] },
  },
};

const texts = (value) => Array.isArray(value) && value.every((item) => typeof item === 'string');

export const decisions = {
  describe() {
    return {
      name: 'examples/regional',
      summary: "rows of the caller's regions, by a lent column",
      inputs: [],
      settingsSchema: JSON.stringify(settingsSchema),
    };
  },

  configure(settings, mount) {
    const given = JSON.parse(settings);
    for (const name of Object.keys(given)) {
      if (!(name in settingsSchema.properties)) {
        throw `unknown setting \`${name}\`: there are \`column\`, \`personal\`, \`teams\``;
      }
    }
    const { column = 'region', personal = [], teams = [] } = given;
    if (typeof column !== 'string') throw '`column` should be a string';
    if (!texts(personal)) throw '`personal` should be a list of strings';
    if (!texts(teams)) throw '`teams` should be a list of strings';
    const shown = new Set(mount.relations.flatMap(({ columns }) => columns.map(({ name }) => name)));
    const stranger = personal.find((name) => !shown.has(name));
    // A misspelt name would hide nothing.
    if (stranger !== undefined) throw `no table of \`${mount.name}\` shows \`${stranger}\``;
    // For each table of the mount, in its order: the places of its columns, and of those that anyone may see; none where
    // its rows can't be told apart.
    const tables = mount.relations.map(({ columns, lent }) => {
      if (![...columns, ...lent].some(({ name }) => name === column)) return null;
      const all = columns.map((_, place) => place);
      return { all, anyone: all.filter((place) => !personal.includes(columns[place].name)) };
    });
    return new TextEncoder().encode(JSON.stringify({ column, teams, tables }));
  },

  decide(prepared, request) {
    const { column, teams, tables } = JSON.parse(new TextDecoder().decode(prepared));
    const claim = (wanted) => request.claims.find(({ name }) => name === wanted)?.value;
    const regions = claim('regions');
    if (regions?.tag !== 'texts' || regions.val.length === 0) {
      const hint = 'ask with a session that has the claim `regions`, a list of texts';
      return { tag: 'deny', val: { code: 'no_regions', reason: 'your claims say no regions', hint } };
    }
    const team = claim('team');
    const member = team?.tag === 'text' && teams.includes(team.val);
    // `column IN (claim.regions)`: the gateway binds the claim, so that no value is written into the filter.
    const rows = [
      { tag: 'column', val: column },
      { tag: 'claim', val: 'regions' },
      { tag: 'in-list', val: { needle: 0, options: [1] } },
    ];
    const grants = [];
    request.touch.relations.forEach((touched, relation) => {
      const places = tables[touched.relation];
      if (places === null) return;
      const columns = (member ? places.all : places.anyone).map((place) => ({ column: place, masks: [] }));
      grants.push({ relation, columns, filter: rows });
    });
    const limits = { requests: [], rows: [], bytes: [] };
    // The same claims and the same tables are decided the same: for a minute, the gateway need not ask again.
    return { tag: 'allow', val: { grant: { tag: 'narrowed', val: grants }, limits, validForMs: 60_000n } };
  },
};
