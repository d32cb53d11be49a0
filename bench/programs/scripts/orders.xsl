<!-- orders.xsl: the orders of a shop as a page: grouped by customer, sorted, and summed up. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:key name="by-customer" match="order" use="@customer"/>

  <xsl:template match="/orders">
    <html><body>
      <xsl:for-each select="order[generate-id() = generate-id(key('by-customer', @customer)[1])]">
        <xsl:sort select="@customer"/>
        <div class="{@customer}">
          <h1><xsl:value-of select="@customer"/></h1>
          <xsl:apply-templates select="key('by-customer', @customer)">
            <xsl:sort select="count(line)" data-type="number"/>
          </xsl:apply-templates>
        </div>
      </xsl:for-each>
    </body></html>
  </xsl:template>

  <xsl:template match="order">
    <table id="order{@id}">
      <caption><xsl:value-of select="normalize-space(note)"/></caption>
      <xsl:apply-templates select="line"/>
      <tr><td><xsl:value-of select="format-number(sum(line/price), '0.00')"/></td></tr>
    </table>
  </xsl:template>

  <xsl:template match="line">
    <tr>
      <td><xsl:value-of select="concat(@article, ' x ', @count)"/></td>
      <td><xsl:value-of select="format-number(price * @count, '0.00')"/></td>
    </tr>
  </xsl:template>
</xsl:stylesheet>
