<?php
// Extensions that php opens as plugins: mbstring, dom, xml, sqlite3, PDO, intl; and json.
$plugins = ['mbstring', 'dom', 'xml', 'simplexml', 'xmlwriter', 'sqlite3', 'pdo_sqlite', 'intl'];
foreach ($plugins as $name)
	if (!extension_loaded($name))
		exit("extension $name is missing\n");
mt_srand(1);

$data = [];
for ($i = 0; $i < 20000; $i++)
	$data["key$i"] = [
		'n' => mt_rand(),
		's' => str_repeat(chr(97 + $i % 26), mt_rand(0, 80)),
		'l' => [$i, [$i]],
	];
$json = json_encode($data);
echo strlen($json), ' ', md5($json), "\n";
echo json_decode($json, true) === $data ? 'same' : 'other', "\n";
usort($data, fn($a, $b) => $a['n'] <=> $b['n']);
echo md5(serialize(unserialize(serialize($data)))), "\n";

$text = implode(' ', array_map(fn($d) => mb_strtoupper('äöü' . $d['s'] . 'ß'), $data));
echo mb_strlen($text), ' ', md5(mb_convert_encoding($text, 'UTF-16', 'UTF-8')), "\n";
echo md5(preg_replace_callback('/(Ä+)(\w*)/u', fn($m) => $m[2] . $m[1], $text)), "\n";
echo md5(mb_ereg_replace('[A-M]+', '-', $text)), "\n";

$document = new DOMDocument;
$root = $document->appendChild($document->createElement('root'));
foreach (array_slice($data, 0, 4000) as $row) {
	$element = $root->appendChild($document->createElement('row', $row['s']));
	$element->setAttribute('n', $row['n']);
}
$xml = $document->saveXML();
echo strlen($xml), ' ', md5($xml), "\n";
echo (new DOMXPath($document))->query('//row[@n > 200000000]')->length, "\n";
echo count(simplexml_load_string($xml)->row), "\n";
$depth = 0;
$parser = xml_parser_create();
xml_set_element_handler($parser, function () use (&$depth) { $depth++; }, fn() => null);
echo xml_parse($parser, $xml, true), ' ', $depth, "\n";
xml_parser_free($parser);

$lite = new SQLite3(':memory:');
$lite->exec('CREATE TABLE t (n INTEGER, s TEXT)');
$lite->createFunction('twice', fn($s) => $s . $s);
$insert = $lite->prepare('INSERT INTO t VALUES (?, ?)');
foreach ($data as $row) {
	$insert->bindValue(1, $row['n']);
	$insert->bindValue(2, $row['s']);
	$insert->execute();
	$insert->reset();
}
echo $lite->querySingle('SELECT sum(n) || sum(length(twice(s))) FROM t'), "\n";
$pdo = new PDO('sqlite::memory:');
$pdo->exec('CREATE TABLE t (n INTEGER, s TEXT)');
$pdo->beginTransaction();
$insert = $pdo->prepare('INSERT INTO t VALUES (?, ?)');
foreach (array_slice($data, 0, 5000) as $row)
	$insert->execute([$row['n'], $row['s']]);
$pdo->commit();
$groups = $pdo->query('SELECT s, count(*) FROM t GROUP BY s ORDER BY 2, 1')->fetchAll();
echo md5(json_encode($groups)), "\n";

$collator = new Collator('de_DE');
$words = array_map(fn($d) => $d['s'] . 'ä', array_slice($data, 0, 3000));
$collator->sort($words);
echo md5(implode($words)), "\n";
echo (new NumberFormatter('de_DE', NumberFormatter::SPELLOUT))->format(1234567), "\n";
echo Normalizer::normalize('ä', Normalizer::FORM_D) === "a\u{308}" ? 'same' : 'other', "\n";
echo transliterator_transliterate('Any-Latin; Latin-ASCII', 'Привет, мир'), "\n";
