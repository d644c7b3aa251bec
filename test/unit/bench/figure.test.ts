import { expect, test } from 'vitest';
import { figure, tableOfFigures, targetsOfFigures } from '../../bench/figure.ts';

const figures = [figure('with an aim', '2', { aim: '<= 1', met: false }), figure('without', '3')];

test('every figure is in the table', () => {
  const { columns, rows } = tableOfFigures('Figures', figures);
  expect(columns).toEqual(['what', 'measured', 'aim']);
  expect(rows).toEqual([
    ['with an aim', '2', '<= 1'],
    ['without', '3', null],
  ]);
});

test('only one with an aim is a target', () => {
  expect(targetsOfFigures(figures)).toEqual([
    { what: 'with an aim', aim: '<= 1', measured: '2', met: false },
  ]);
});
