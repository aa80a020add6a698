// Rows by region: a caller sees the rows whose region is its own claim, in the tables that have such a column.
//
// `configure` runs once, when a mount loads; `decide` for each request. Both get everything they may know as arguments:
// there are no files, no network and no clock here, and nothing is kept from one request to the next.

const settingsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    column: {
      type: 'string',
      description: 'the column that says whose a row is; shown or lent by the mount',
      default: 'region',
    },
    claim: {
      type: 'string',
      description: 'the claim that says whose rows a caller may see',
      default: 'region',
    },
  },
};

// Whole numbers of 64 bits are BigInt, optional values undefined, and variants `{ tag, val }`.
export const decisions = {
  describe() {
    return {
      name: '{{name}}',
      summary: "rows of the caller's own region",
      inputs: [],
      settingsSchema: JSON.stringify(settingsSchema),
    };
  },

  // What is thrown is told to the operator, and the mount does not load.
  configure(settings, mount) {
    const chosen = Object.fromEntries(
      Object.entries(settingsSchema.properties).map(([name, schema]) => [name, schema.default]),
    );
    for (const [name, value] of Object.entries(JSON.parse(settings))) {
      if (!(name in chosen)) {
        const known = Object.keys(chosen).map((one) => `\`${one}\``);
        throw `unknown setting \`${name}\`: there are ${known.join(', ')}`;
      }
      if (typeof value !== 'string') throw `the setting \`${name}\` should be a string`;
      chosen[name] = value;
    }
    // For each table of the mount, in its order: how many columns it shows, or 0 where it has no such column.
    const tables = mount.relations.map(({ columns, lent }) =>
      [...columns, ...lent].some((column) => column.name === chosen.column) ? columns.length : 0,
    );
    if (tables.every((shown) => shown === 0)) {
      throw `no table of \`${mount.name}\` shows or lends \`${chosen.column}\``;
    }
    return new TextEncoder().encode(JSON.stringify({ ...chosen, tables }));
  },

  decide(prepared, request) {
    const { column, claim, tables } = JSON.parse(new TextDecoder().decode(prepared));
    if (!request.claims.some((known) => known.name === claim)) {
      return {
        tag: 'deny',
        val: {
          code: 'no_claim',
          reason: `your claims do not say \`${claim}\``,
          hint: `ask with a session that has the claim \`${claim}\``,
        },
      };
    }
    // `column = claim`: a list of nodes, each before the one that uses it.
    const ownRows = [
      { tag: 'column', val: column },
      { tag: 'claim', val: claim },
      { tag: 'compare', val: { op: 'eq', left: 0, right: 1 } },
    ];
    const grants = [];
    request.touch.relations.forEach((touched, place) => {
      const shown = tables[touched.relation];
      if (shown === 0) return;
      // The ceiling's own masks and filter stay, whether repeated here or not.
      const columns = Array.from({ length: shown }, (_, index) => ({ column: index, masks: [] }));
      grants.push({ relation: place, columns, filter: ownRows });
    });
    const limits = { requests: [], rows: [], bytes: [] };
    return { tag: 'allow', val: { grant: { tag: 'narrowed', val: grants }, limits } };
  },
};
